//! The functions of libc that are stood in for, under each name that programs call them by.

use std::ffi::CStr;
use std::slice;

use libc::{c_char, c_int, c_void, mode_t, off_t, size_t, ssize_t};

use crate::log::Call;
use crate::plan::{Kind, What};
use crate::{raw, watch};

fn open_watched(path: &CStr, flags: c_int, mode: mode_t) -> c_int {
    let Some((mut watch, name)) = watch::watch().and_then(|it| it.name_of(path).map(|name| (it, name))) else {
        return raw::open(path, flags, mode);
    };
    let new = flags & libc::O_CREAT != 0 && !raw::exists(path);
    let fd = raw::open(path, flags, mode);
    if fd >= 0 {
        watch.opened(fd, name, new, flags & libc::O_TRUNC != 0);
    }
    fd
}

fn write_watched(fd: c_int, mut bytes: &[u8], offset: Option<off_t>) -> ssize_t {
    let Some((mut watch, handle)) = watch::watched(fd) else { return raw::write(fd, bytes, offset) };
    match watch.fault(Kind::Write, handle) {
        Some(What::Full) => return raw::fail(libc::ENOSPC),
        Some(What::Short) if bytes.len() > 1 => bytes = &bytes[..bytes.len() / 2],
        Some(_) => return raw::fail(libc::EIO),
        None => {}
    }
    let start = offset.unwrap_or_else(|| raw::place(fd));
    let written = raw::write(fd, bytes, offset);
    if let Ok(length @ 1..) = usize::try_from(written) {
        watch.note(&Call::Write { handle, offset: start.cast_unsigned(), bytes: bytes[..length].to_vec() });
    }
    written
}

/// # Safety
/// `into` has room for `length` bytes.
unsafe fn read_watched(fd: c_int, into: *mut c_void, length: size_t, offset: Option<off_t>) -> ssize_t {
    if let Some((mut watch, handle)) = watch::watched(fd) {
        if watch.fault(Kind::Read, handle).is_some() {
            return raw::fail(libc::EIO);
        }
        watch.read(handle);
    }
    // SAFETY: promised by the caller.
    unsafe { raw::read(fd, into, length, offset) }
}

fn resize_watched(fd: c_int, length: off_t) -> c_int {
    let Some((mut watch, handle)) = watch::watched(fd) else { return raw::resize(fd, length) };
    if watch.fault(Kind::Resize, handle).is_some() {
        return raw::fail(libc::EIO);
    }
    let done = raw::resize(fd, length);
    if done == 0 {
        watch.note(&Call::Resize { handle, length: length.cast_unsigned() });
    }
    done
}

/// Others go on while it lasts, and what they write meanwhile is not synced by it.
fn sync_watched(fd: c_int) -> c_int {
    let Some((mut watch, handle)) = watch::watched(fd) else { return raw::sync(fd) };
    if watch.lies(handle) {
        return 0;
    }
    let fails = watch.fault(Kind::Sync, handle).is_some();
    let latency = watch.latency();
    watch.note(&Call::SyncBegin { handle });
    drop(watch);
    raw::take(latency);
    let done = if fails { raw::fail(libc::EIO) } else { raw::sync(fd) };
    if let Some(mut watch) = watch::watch() {
        watch.note(&Call::SyncEnd { handle, held: done == 0 });
    }
    if fails { raw::fail(libc::EIO) } else { done }
}

fn unlink_watched(path: &CStr) -> c_int {
    let Some((mut watch, name)) = watch::watch().and_then(|it| it.name_of(path).map(|name| (it, name))) else {
        return raw::unlink(path);
    };
    let done = raw::unlink(path);
    if done == 0 {
        watch.note(&Call::Unlink { name });
    }
    done
}

macro_rules! stand_in {
    ($($(#[$about:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $result:ty = $body:expr;)*) => {
        $(
            /// As libc's function of that name.
            ///
            /// # Safety
            /// As there.
            $(#[$about])*
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
                $body
            }
        )*
    };
}

// `open` takes its mode only where it creates; passed on as it is, it is not looked at otherwise.
stand_in! {
    // SAFETY: the caller passes a C string.
    open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int = open_watched(unsafe { CStr::from_ptr(path) }, flags, mode);
    // SAFETY: the caller passes a C string.
    open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int = open_watched(unsafe { CStr::from_ptr(path) }, flags, mode);
    close(fd: c_int) -> c_int = { watch::forget(fd); raw::close(fd) };
    // SAFETY: the caller passes a C string.
    unlink(path: *const c_char) -> c_int = unlink_watched(unsafe { CStr::from_ptr(path) });
    // SAFETY: the caller passes so many bytes.
    write(fd: c_int, from: *const c_void, length: size_t) -> ssize_t = write_watched(fd, unsafe { bytes(from, length) }, None);
    // SAFETY: the caller passes so many bytes.
    pwrite(fd: c_int, from: *const c_void, length: size_t, at: off_t) -> ssize_t = write_watched(fd, unsafe { bytes(from, length) }, Some(at));
    // SAFETY: the caller passes so many bytes.
    pwrite64(fd: c_int, from: *const c_void, length: size_t, at: off_t) -> ssize_t = write_watched(fd, unsafe { bytes(from, length) }, Some(at));
    // SAFETY: the caller has room for so many bytes.
    read(fd: c_int, into: *mut c_void, length: size_t) -> ssize_t = unsafe { read_watched(fd, into, length, None) };
    // SAFETY: the caller has room for so many bytes.
    pread(fd: c_int, into: *mut c_void, length: size_t, at: off_t) -> ssize_t = unsafe { read_watched(fd, into, length, Some(at)) };
    // SAFETY: the caller has room for so many bytes.
    pread64(fd: c_int, into: *mut c_void, length: size_t, at: off_t) -> ssize_t = unsafe { read_watched(fd, into, length, Some(at)) };
    ftruncate(fd: c_int, length: off_t) -> c_int = resize_watched(fd, length);
    ftruncate64(fd: c_int, length: off_t) -> c_int = resize_watched(fd, length);
    fsync(fd: c_int) -> c_int = sync_watched(fd);
    fdatasync(fd: c_int) -> c_int = sync_watched(fd);
}

/// # Safety
/// So many bytes are there.
unsafe fn bytes<'a>(from: *const c_void, length: size_t) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { slice::from_raw_parts(from.cast(), length) }
}
