//! What grows beside the tensors' own axes.

use strum::EnumCount;

use crate::error::{Error, WidthsError};
use crate::size::Size;

/// Sizes of the base and of the target; what is not given is of no interest and does not grow.
///
/// ```
/// use mutransfer::{Size, Sizes};
///
/// let sizes = Sizes::NONE.with(Size::Depth, 2, 8)?.with(Size::Batch, 64, 64)?;
/// assert_eq!(sizes.ratio(Size::Depth), 4.0);
/// assert_eq!(sizes.ratio(Size::Tokens), 1.0);
/// # Ok::<(), mutransfer::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes([Option<Pair>; Size::COUNT]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    base: usize,
    target: usize,
}

impl Sizes {
    /// None is given.
    pub const NONE: Self = Self([None; Size::COUNT]);

    /// The same with a size of the base and of the target.
    ///
    /// # Errors
    /// When either is zero, but for shared experts, which need not be.
    pub fn with(mut self, size: Size, base: usize, target: usize) -> Result<Self, Error> {
        if size != Size::SharedWidth && (base == 0 || target == 0) {
            return Err(WidthsError::ZeroSize { size }.into());
        }
        self.0[size as usize] = Some(Pair { base, target });
        Ok(self)
    }

    /// With those of another where they are not given here.
    pub(crate) fn or(self, other: Self) -> Self {
        let mut sizes = self.0.into_iter().zip(other.0);
        Self(std::array::from_fn(|_| {
            sizes.next().and_then(|(own, other)| own.or(other))
        }))
    }

    /// The base's, if given.
    pub(crate) fn base(self, size: Size) -> Option<usize> {
        self.0[size as usize].map(|pair| pair.base)
    }

    /// The target's, if given.
    pub fn target(self, size: Size) -> Option<usize> {
        self.0[size as usize].map(|pair| pair.target)
    }

    /// Those of base and target, if given.
    pub(crate) fn pair(self, size: Size) -> Option<[usize; 2]> {
        self.0[size as usize].map(|pair| [pair.base, pair.target])
    }

    /// The target's over the base's; exactly 1 where it is not given.
    pub fn ratio(self, size: Size) -> f64 {
        self.ratio_to(Base::Model, size)
    }

    pub(crate) fn ratio_to(self, base: Base, size: Size) -> f64 {
        self.0[size as usize].map_or(1.0, |pair| pair.target as f64 / base.of(pair.base) as f64)
    }

    /// Active width of base and target, all hidden entries that one token passes: active experts
    /// times the width of one, and the shared widths. None where the width of an expert is not
    /// given, or there are several and how many are active is not; what else is not given is that
    /// of a dense layer.
    ///
    /// ```
    /// use mutransfer::{Size, Sizes};
    ///
    /// let sizes = Sizes::NONE.with(Size::Active, 1, 8)?.with(Size::ExpertWidth, 512, 128)?;
    /// assert_eq!(sizes.active_width(), Some([512, 1024]));
    /// # Ok::<(), mutransfer::Error>(())
    /// ```
    pub fn active_width(self) -> Option<[usize; 2]> {
        let [active, width, shared] =
            [Size::Active, Size::ExpertWidth, Size::SharedWidth].map(|size| self.pair(size));
        let experts = self.pair(Size::Experts).unwrap_or([1; 2]);
        let active = active.or((experts == [1; 2]).then_some([1; 2]))?;
        let (width, shared) = (width?, shared.unwrap_or([0; 2]));
        Some([0, 1].map(|model| active[model] * width[model] + shared[model]))
    }

    /// Steps of the target over those of the base.
    pub fn iterations(self) -> f64 {
        self.ratio(Size::Tokens) / self.ratio(Size::Batch)
    }
}

/// What the ratios of a rule are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The base model.
    Model,
    /// One: every ratio is the size itself.
    One,
}

impl Base {
    /// What a size is divided by that is `size` in the base model.
    pub(crate) fn of(self, size: usize) -> usize {
        match self {
            Self::Model => size,
            Self::One => 1,
        }
    }
}
