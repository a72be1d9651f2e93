//! One value for every role.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize, Serializer};

use crate::role::Role;

/// One value for every role of a parameter. What has a default need not be written, and is not.
///
/// ```
/// use mutransfer::{Role, Roles};
///
/// let rates = Roles { hidden: 0.5, ..Roles::all(1.0) };
/// assert_eq!(rates[Role::Hidden], 0.5);
/// assert_eq!(rates.iter().filter(|(_, rate)| **rate == 1.0).count(), 7);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(
    test,
    schemars(bound = "T: schemars::JsonSchema + Serialize + Default + PartialEq")
)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Roles<T> {
    /// Of scalars.
    pub fixed: T,
    /// Of biases and gains.
    pub vector: T,
    /// Of embeddings and first layers.
    pub input: T,
    /// Of matrices inside the network.
    pub hidden: T,
    /// Of readouts.
    pub output: T,
    /// Of routers.
    pub router: T,
    /// Of what experts read with.
    pub expert_in: T,
    /// Of what experts write with.
    pub expert_out: T,
}

impl<T> Roles<T> {
    /// The same value for each.
    pub const fn all(value: T) -> Self
    where
        T: Copy,
    {
        Self {
            fixed: value,
            vector: value,
            input: value,
            hidden: value,
            output: value,
            router: value,
            expert_in: value,
            expert_out: value,
        }
    }

    /// What `value` is for each role.
    pub fn from_fn(mut value: impl FnMut(Role) -> T) -> Self {
        Self {
            fixed: value(Role::Fixed),
            vector: value(Role::Vector),
            input: value(Role::Input),
            hidden: value(Role::Hidden),
            output: value(Role::Output),
            router: value(Role::Router),
            expert_in: value(Role::ExpertIn),
            expert_out: value(Role::ExpertOut),
        }
    }

    /// What `value` is for each role.
    ///
    /// # Errors
    ///
    /// The first one of `value`, in the order of the roles.
    pub fn try_from_fn<E>(mut value: impl FnMut(Role) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self {
            fixed: value(Role::Fixed)?,
            vector: value(Role::Vector)?,
            input: value(Role::Input)?,
            hidden: value(Role::Hidden)?,
            output: value(Role::Output)?,
            router: value(Role::Router)?,
            expert_in: value(Role::ExpertIn)?,
            expert_out: value(Role::ExpertOut)?,
        })
    }

    /// Every value changed.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Roles<U> {
        Roles {
            fixed: change(self.fixed),
            vector: change(self.vector),
            input: change(self.input),
            hidden: change(self.hidden),
            output: change(self.output),
            router: change(self.router),
            expert_in: change(self.expert_in),
            expert_out: change(self.expert_out),
        }
    }

    /// Every value changed, by what role it is of.
    pub(crate) fn map_with_role<U>(self, mut change: impl FnMut(Role, T) -> U) -> Roles<U>
    where
        T: Copy,
    {
        Roles::from_fn(|role| change(role, self[role]))
    }

    /// Every role with its value, in the order of [`Role::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Role, &T)> {
        Role::ALL.into_iter().map(|role| (role, &self[role]))
    }
}

impl<T> Index<Role> for Roles<T> {
    type Output = T;

    fn index(&self, role: Role) -> &T {
        match role {
            Role::Fixed => &self.fixed,
            Role::Vector => &self.vector,
            Role::Input => &self.input,
            Role::Hidden => &self.hidden,
            Role::Output => &self.output,
            Role::Router => &self.router,
            Role::ExpertIn => &self.expert_in,
            Role::ExpertOut => &self.expert_out,
        }
    }
}

impl<T> IndexMut<Role> for Roles<T> {
    fn index_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Fixed => &mut self.fixed,
            Role::Vector => &mut self.vector,
            Role::Input => &mut self.input,
            Role::Hidden => &mut self.hidden,
            Role::Output => &mut self.output,
            Role::Router => &mut self.router,
            Role::ExpertIn => &mut self.expert_in,
            Role::ExpertOut => &mut self.expert_out,
        }
    }
}

impl<T: Serialize + Default + PartialEq> Serialize for Roles<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = T::default();
        serializer.collect_map(self.iter().filter(|(_, value)| **value != own))
    }
}
