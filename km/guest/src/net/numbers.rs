//! Options that are a number within bounds, kept for the program to read back.

use crate::errno::{Errno, Result};
use alloc::boxed::Box;
use core::cell::Cell;

/// An option: level and name, where it starts, and its bounds.
pub struct Number {
    name: u32,
    default: i32,
    least: i32,
    most: i32,
    is_switch: bool,
}

impl Number {
    /// An option with a default and bounds; beyond them is EINVAL.
    pub const fn new(name: u32, default: i32, least: i32, most: i32) -> Self {
        Self { name, default, least, most, is_switch: false }
    }

    /// An option that is 0 or 1, set by any number.
    pub const fn switch(name: u32, default: i32) -> Self {
        Self { name, default, least: i32::MIN, most: i32::MAX, is_switch: true }
    }
}

/// The values of a list of options.
pub struct Numbers {
    list: &'static [Number],
    /// Empty while all are at their defaults: most sockets set none.
    values: Cell<Option<Box<[i32]>>>,
}

impl Numbers {
    /// All at their defaults.
    pub fn new(list: &'static [Number]) -> Self {
        Self { list, values: Cell::new(None) }
    }

    /// The value of an option.
    ///
    /// # Errors
    /// ENOPROTOOPT when it is not in the list.
    pub fn get(&self, name: u32) -> Result<i32> {
        let index = self.index(name)?;
        Ok(self.with(|values| values.map_or(self.list[index].default, |values| values[index])))
    }

    /// Whether an option has another value than at first.
    pub fn is_changed(&self, name: u32) -> bool {
        self.index(name).is_ok_and(|index| {
            self.with(|values| values.is_some_and(|values| values[index] != self.list[index].default))
        })
    }

    /// Sets an option.
    ///
    /// # Errors
    /// ENOPROTOOPT when it is not in the list, EINVAL beyond its bounds.
    pub fn set(&self, name: u32, value: i32) -> Result<()> {
        let index = self.index(name)?;
        let number = &self.list[index];
        if value < number.least || value > number.most {
            return Err(Errno::EINVAL);
        }
        let mut values =
            self.values.take().unwrap_or_else(|| self.list.iter().map(|one| one.default).collect());
        values[index] = if number.is_switch { i32::from(value != 0) } else { value };
        self.values.set(Some(values));
        Ok(())
    }

    /// Takes over all values of another socket.
    pub fn copy(&self, from: &Self) {
        self.values.set(from.with(|values| values.map(Box::from)));
    }

    fn with<T>(&self, act: impl FnOnce(Option<&[i32]>) -> T) -> T {
        let values = self.values.take();
        let result = act(values.as_deref());
        self.values.set(values);
        result
    }

    fn index(&self, name: u32) -> Result<usize> {
        self.list.iter().position(|number| number.name == name).ok_or(Errno::ENOPROTOOPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_defaults_and_bounds() {
        const LIST: &[Number] = &[Number::new(4, 7200, 1, 32767), Number::switch(1, 0)];
        let numbers = Numbers::new(LIST);
        assert_eq!(numbers.get(4), Ok(7200));
        assert_eq!(numbers.set(4, 0), Err(Errno::EINVAL));
        assert_eq!(numbers.set(1, 17), Ok(()));
        assert_eq!(
            (numbers.get(1), numbers.get(4), numbers.get(9)),
            (Ok(1), Ok(7200), Err(Errno::ENOPROTOOPT))
        );
    }
}
