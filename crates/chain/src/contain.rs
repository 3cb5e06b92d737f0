//! Panics that are taken for errors, and how a process's panic hook can tell them.
//!
//! A panic hook runs before any `catch_unwind` above it. A process that ends itself in its hook,
//! because nobody knows the state that a panicked part is in, would end for those panics too that
//! are expected and caught: a library's over a damaged page, or one in a call that only reads.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Outside,
    Inside,
    /// A panic is on its way out; another one ends the process.
    Unwinding,
}

thread_local! {
    static HERE: Cell<Here> = const { Cell::new(Here::Outside) };
}

/// Runs work whose panic is an error with the panic's text. What the work was changing must be
/// unreachable afterwards, or whole.
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let outer = HERE.replace(Here::Inside);
    let result = catch_unwind(AssertUnwindSafe(work));
    HERE.set(outer);
    result.map_err(|panic| text(panic.as_ref()))
}

/// Asked in a panic hook: whether the panic of this thread will be caught by [`contained`].
pub fn is_contained() -> bool {
    HERE.replace(Here::Unwinding) == Here::Inside
}

fn text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a text")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(contained(|| 7), Ok(7));
        assert_eq!(contained(|| panic!("page {}", 3)), Err::<(), _>("page 3".to_owned()));
        let nested = contained(|| contained(|| panic!("inner")).map_err(|_inner| "outer"));
        assert_eq!(nested, Ok(Err::<(), _>("outer")));
    }

    #[test]
    fn a_hook_can_tell_the_first_panic_inside_from_all_others() {
        assert!(!is_contained(), "nothing runs");
        HERE.set(Here::Outside);
        let asked = contained(|| (is_contained(), is_contained()));
        assert_eq!(asked, Ok((true, false)));
        HERE.set(Here::Outside);
    }
}
