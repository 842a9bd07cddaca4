//! Global state: values of which a machine has one, for code that has no reference to the [`crate::kernel::Kernel`].

/// Defines `fn NAME(body)` that lends one value of the machine. On the host every test thread is a machine of its own.
/// Calls for the same value must not nest.
macro_rules! machine_state {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident -> $type:ty = $init:expr) => {
        $(#[$meta])*
        #[cfg(not(test))]
        $visibility fn $name<R>(body: impl FnOnce(&mut $type) -> R) -> R {
            static STATE: spin::Mutex<$type> = spin::Mutex::new($init);
            body(&mut STATE.lock())
        }

        $(#[$meta])*
        #[cfg(test)]
        $visibility fn $name<R>(body: impl FnOnce(&mut $type) -> R) -> R {
            std::thread_local! {
                static STATE: core::cell::RefCell<$type> = const { core::cell::RefCell::new($init) };
            }
            STATE.with(|state| body(&mut state.borrow_mut()))
        }
    };
}

pub(crate) use machine_state;
