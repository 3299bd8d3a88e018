//! Structs that the caller fills: `struct_size` first, so that they can grow. Of a caller's struct only as many
//! bytes are read or written as it has.

use std::mem::MaybeUninit;

use crate::status::Failure;

/// A struct that begins with its size.
///
/// # Safety
/// It is `repr(C)`, begins with a `usize`, has no padding, and zero bytes are a value of it.
pub(crate) unsafe trait Growing: Copy {
    /// The size that the first header gave it, as a number, which no later member changes: no caller has a
    /// smaller one.
    const FIRST_SIZE: usize;
}

/// More than any struct of ours will have: a size above it was never set.
const SIZE_MAX: usize = 4096;
const SIZE_BYTES: usize = size_of::<usize>();

/// What stands in `struct_size`; 0 for NULL.
fn claimed<T: Growing>(pointer: *const T) -> usize {
    if pointer.is_null() {
        return 0;
    }
    // SAFETY: not NULL, and by the header's contract the struct begins with its size.
    unsafe { pointer.cast::<usize>().read_unaligned() }
}

/// The size that the caller was compiled with. A smaller struct than the first is refused; of a larger one the
/// tail, which this build does not know, must be zero.
fn check<T: Growing>(pointer: *const T, name: &str) -> Result<usize, Failure> {
    if pointer.is_null() {
        return Err(Failure::argument(format!("{name} is NULL")));
    }
    let size = claimed(pointer);
    if !(T::FIRST_SIZE..=SIZE_MAX).contains(&size) {
        return Err(Failure::argument(format!("{name}.struct_size is not the struct's sizeof: set it")));
    }
    for at in size_of::<T>()..size {
        // SAFETY: within the struct, whose size the caller has given.
        if unsafe { pointer.cast::<u8>().add(at).read() } != 0 {
            return Err(Failure::argument(format!("{name} sets a member that this library does not know")));
        }
    }
    Ok(size)
}

/// A struct that goes in; members that the caller does not know are zero.
pub(crate) fn growing_input<T: Growing>(pointer: *const T, name: &str) -> Result<T, Failure> {
    let size = check(pointer, name)?.min(size_of::<T>());
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `size` bytes are within the caller's struct and within ours, and zero bytes are a value of the rest.
    unsafe {
        pointer.cast::<u8>().copy_to_nonoverlapping(value.as_mut_ptr().cast(), size);
        Ok(value.assume_init())
    }
}

/// A caller's struct that is to be filled, of which all but the size is zero.
pub(crate) struct GrowingOutput<T> {
    pointer: *mut T,
    /// How much of it both sides know.
    size: usize,
}

impl<T: Growing> GrowingOutput<T> {
    /// Writes all but the size.
    pub(crate) fn put(&self, value: T) {
        let (from, to) = ((&raw const value).cast::<u8>(), self.pointer.cast::<u8>());
        // SAFETY: `self.size` bytes, the size's own among them, are within both structs, which are not the same.
        unsafe { from.add(SIZE_BYTES).copy_to_nonoverlapping(to.add(SIZE_BYTES), self.size - SIZE_BYTES) }
    }
}

/// A struct that is to be filled, zeroed before anything else is looked at, but for its size.
pub(crate) fn growing_output<T: Growing>(pointer: *mut T, name: &str) -> Result<GrowingOutput<T>, Failure> {
    let known = claimed(pointer).min(size_of::<T>());
    if known > SIZE_BYTES {
        // SAFETY: not NULL, as it has a size, and within the struct, whose size the caller has given.
        unsafe { pointer.cast::<u8>().add(SIZE_BYTES).write_bytes(0, known - SIZE_BYTES) }
    }
    check(pointer, name)?;
    Ok(GrowingOutput { pointer, size: known })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A struct of this build, of which an older header had the first two members.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Grown {
        struct_size: usize,
        old: u64,
        new: u64,
    }

    // SAFETY: `repr(C)`, begins with a `usize`, numbers of one size have no padding, and zero is a number.
    unsafe impl Growing for Grown {
        const FIRST_SIZE: usize = 16;
    }

    #[test]
    fn no_byte_beyond_an_older_callers_struct_is_read_or_written() {
        let mut older = Grown { struct_size: 16, old: 1, new: 2 };
        let read = growing_input(&raw const older, "older").unwrap();
        assert_eq!((read.old, read.new), (1, 0));
        let out = growing_output(&raw mut older, "older").unwrap();
        out.put(Grown { struct_size: 0, old: 3, new: 4 });
        assert_eq!((older.struct_size, older.old, older.new), (16, 3, 2));
    }

    #[test]
    fn a_newer_callers_tail_must_be_zero() {
        let mut newer = [32_usize, 1, 2, 0];
        assert!(growing_input(newer.as_ptr().cast::<Grown>(), "newer").is_ok());
        newer[3] = 1;
        assert!(growing_input(newer.as_ptr().cast::<Grown>(), "newer").is_err());
        assert!(growing_output(newer.as_mut_ptr().cast::<Grown>(), "newer").is_err());
        assert_eq!(newer, [32, 0, 0, 1], "zeroed, but for what this build does not know");
    }

    #[test]
    fn a_size_that_was_not_set_is_refused() {
        for size in [0, 1, 8, 15, 4097, usize::MAX] {
            let mut wrong = Grown { struct_size: size, old: 1, new: 2 };
            assert!(growing_input(&raw const wrong, "wrong").is_err(), "{size}");
            assert!(growing_output(&raw mut wrong, "wrong").is_err(), "{size}");
            assert!(size <= 8 || wrong.old.to_ne_bytes()[..(size - 8).min(8)].iter().all(|byte| *byte == 0));
        }
    }
}
