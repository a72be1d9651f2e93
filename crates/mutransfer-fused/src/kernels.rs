//! Whether kernels run, and the scratch memory they run with.

use std::cell::{Cell, RefCell};

use burn::tensor::{DType, Device, Tensor};
use mutransfer_kernels::Workspace;

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace::new());
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Runs a kernel with the scratch memory of this thread.
pub(crate) fn kernel<T>(run: impl FnOnce(&mut Workspace) -> T) -> T {
    WORKSPACE.with_borrow_mut(run)
}

/// Whether the kernels can work on this tensor.
pub(crate) fn on_cpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    runs_on(&tensor.device()) && tensor.dtype() == DType::F32
}

/// Whether the kernels run for tensors of this device, on this thread.
pub(crate) fn runs_on(device: &Device) -> bool {
    // Device equality ignores autodiff.
    ENABLED.get() && *device == Device::flex()
}

/// Computes with burn's own operations and optimizers on this thread, as other devices do, to
/// compare with the kernels.
///
/// An optimizer stays what it was when it was made.
pub fn without_kernels<T>(compute: impl FnOnce() -> T) -> T {
    /// Restores what was, even when the computation panics.
    struct Restore(bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            ENABLED.set(self.0);
        }
    }

    let _restore = Restore(ENABLED.replace(false));
    compute()
}
