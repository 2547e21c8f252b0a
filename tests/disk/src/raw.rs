//! The system calls themselves: libc's functions of these names are ours.

use std::ffi::CStr;
use std::time::Duration;

use libc::{c_int, c_long, c_void, mode_t, off_t, size_t, ssize_t};

/// Bytes of a caller.
pub(crate) type Bytes<'a> = &'a [u8];

pub(crate) fn open(path: &CStr, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the path is a C string, and the rest are numbers.
    unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, mode) as c_int }
}

pub(crate) fn close(fd: c_int) -> c_int {
    // SAFETY: a number.
    unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
}

pub(crate) fn unlink(path: &CStr) -> c_int {
    // SAFETY: the path is a C string.
    unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path.as_ptr(), 0) as c_int }
}

/// At an offset, or where the file stands.
pub(crate) fn write(fd: c_int, bytes: Bytes<'_>, offset: Option<off_t>) -> ssize_t {
    let (start, length) = (bytes.as_ptr(), bytes.len());
    // SAFETY: the bytes are those of a slice.
    let written: c_long = unsafe {
        match offset {
            Some(offset) => libc::syscall(libc::SYS_pwrite64, fd, start, length, offset),
            None => libc::syscall(libc::SYS_write, fd, start, length),
        }
    };
    written as ssize_t
}

/// At an offset, or where the file stands.
///
/// # Safety
/// `into` has room for `length` bytes.
pub(crate) unsafe fn read(fd: c_int, into: *mut c_void, length: size_t, offset: Option<off_t>) -> ssize_t {
    // SAFETY: promised by the caller.
    let read: c_long = unsafe {
        match offset {
            Some(offset) => libc::syscall(libc::SYS_pread64, fd, into, length, offset),
            None => libc::syscall(libc::SYS_read, fd, into, length),
        }
    };
    read as ssize_t
}

pub(crate) fn resize(fd: c_int, length: off_t) -> c_int {
    // SAFETY: numbers.
    unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) as c_int }
}

pub(crate) fn sync(fd: c_int) -> c_int {
    // SAFETY: a number. More than `fdatasync` asks for, which does not matter here.
    unsafe { libc::syscall(libc::SYS_fsync, fd) as c_int }
}

/// Where a file stands.
pub(crate) fn place(fd: c_int) -> off_t {
    // SAFETY: numbers.
    unsafe { libc::syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) as off_t }
}

/// Whether there is something of that name.
pub(crate) fn exists(path: &CStr) -> bool {
    // SAFETY: the path is a C string.
    unsafe { libc::syscall(libc::SYS_faccessat, libc::AT_FDCWD, path.as_ptr(), libc::F_OK) == 0 }
}

/// Takes as long as a disk would.
pub(crate) fn take(latency: Duration) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: latency.subsec_nanos().into() };
    if !latency.is_zero() {
        // SAFETY: both point to a value of ours, or nowhere.
        unsafe { libc::syscall(libc::SYS_nanosleep, &raw const time, std::ptr::null_mut::<c_void>()) };
    }
}

/// Fails as the system would.
pub(crate) fn fail<T: From<i8>>(error: c_int) -> T {
    // SAFETY: this thread's own.
    unsafe { *libc::__errno_location() = error };
    T::from(-1)
}

/// Ends this process as `kill -9` does.
pub(crate) fn die() -> ! {
    // SAFETY: numbers.
    unsafe { libc::syscall(libc::SYS_kill, libc::getpid(), libc::SIGKILL) };
    std::process::abort()
}
