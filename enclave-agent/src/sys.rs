//! The system calls that neither std nor nix offers in the form that is needed here. All `unsafe` of the agent is in
//! this file.
#![allow(unsafe_code)]

use libc::{c_char, c_int, c_long};
use nix::unistd::Pid;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{FromRawFd, RawFd};
use std::ptr;

/// Starts the program `exe` in a child process that is process 1 of the new `namespaces` (`CLONE_NEW…`).
///
/// The child has `descriptors` as its 0, 1, 2 and so on, an empty environment, and every signal blocked, so that one
/// that is sent before it is ready waits.
pub(crate) fn spawn(
    exe: &CStr,
    arguments: &[&CStr],
    namespaces: c_int,
    descriptors: &[RawFd],
) -> io::Result<Pid> {
    if descriptors
        .iter()
        .any(|source| *source < descriptors.len() as RawFd)
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a descriptor that would be overwritten",
        ));
    }
    let mut argv: Vec<*const c_char> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    argv.push(ptr::null());
    let envp: [*const c_char; 1] = [ptr::null()];
    let flags = c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with a null stack, clone is a fork. The child calls nothing but async-signal-safe
    // functions until execve or _exit, on memory made before, whose pointers outlive the calls.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&mut all);
        let zero: c_long = 0;
        match libc::syscall(libc::SYS_clone, flags, zero, zero, zero, zero) {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                libc::sigprocmask(libc::SIG_SETMASK, &all, ptr::null_mut());
                for (target, source) in (0..).zip(descriptors) {
                    if libc::dup2(*source, target) < 0 {
                        libc::_exit(126);
                    }
                }
                libc::execve(exe.as_ptr(), argv.as_ptr(), envp.as_ptr());
                libc::_exit(126)
            }
            pid => Ok(Pid::from_raw(pid as libc::pid_t)),
        }
    }
}

/// Forks; `None` in the child. For a process with one thread only: the child may then do as it likes.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the caller has one thread, so no lock is held by another that the child lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(Pid::from_raw(pid))),
    }
}

/// The descriptor `number` as a file: one that this process was started with, and that nothing else in it owns. The
/// programs that it starts do not get it.
pub(crate) fn inherited(number: RawFd) -> File {
    // SAFETY: a flag of a descriptor; the callers own no other object of that number.
    unsafe {
        libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
        File::from_raw_fd(number)
    }
}

/// Ends the process at once, without anything that exit handlers would do.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: _exit does not return and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) {
    let last = c_long::from(u32::MAX);
    // SAFETY: the callers own no object whose descriptor is among those that are closed.
    unsafe {
        if libc::syscall(libc::SYS_close_range, c_long::from(first), last, 0 as c_long) == 0 {
            return;
        }
        // Kernels before 5.9. No more are open than the agent's limit when this process was made.
        for descriptor in first as c_int..65_536 {
            libc::close(descriptor);
        }
    }
}

/// Waits for a blocked signal: its number, and the process that sent it as seen from here (0: from an outer PID
/// namespace, or from the kernel).
pub(crate) fn wait_for_signal() -> io::Result<(c_int, libc::pid_t)> {
    // SAFETY: both structures are plain data, filled by the calls; si_pid is read from a signal that has it (the
    // kernel fills the union with zeros otherwise).
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&mut all);
        let mut info: libc::siginfo_t = mem::zeroed();
        match libc::sigwaitinfo(&all, &mut info) {
            -1 => Err(io::Error::last_os_error()),
            signal => Ok((signal, info.si_pid())),
        }
    }
}

/// Reaps a child that has ended, if there is one: who, and the status as wait(2) has it. (nix refuses the status of a
/// process that a real-time signal ended, after having reaped it.)
pub(crate) fn reap_any() -> Option<(Pid, c_int)> {
    let mut status = 0;
    // SAFETY: the status is ours to be written.
    match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
        1.. if libc::WIFSTOPPED(status) || libc::WIFCONTINUED(status) => None,
        pid @ 1.. => Some((Pid::from_raw(pid), status)),
        _ => None,
    }
}

/// Sends the signal number `signal`, real-time ones included, as kill(2) does.
pub(crate) fn kill(pid: libc::pid_t, signal: c_int) -> io::Result<()> {
    // SAFETY: kill takes two numbers.
    checked(unsafe { libc::kill(pid, signal) })
}

/// The highest real-time signal and the lowest that the C library leaves to programs.
pub(crate) fn real_time_signals() -> (c_int, c_int) {
    (libc::SIGRTMIN(), libc::SIGRTMAX())
}

/// Every signal to its default action and unblocked, as a new program expects it.
pub(crate) fn default_signals() {
    // SAFETY: SIG_DFL is a valid disposition for every signal; those that cannot be changed are refused.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

/// Blocks every signal in the calling thread.
pub(crate) fn block_signals() {
    // SAFETY: the set is plain data, filled before it is used.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &all, ptr::null_mut());
    }
}

/// Takes `capability` from the bounding set; `false` where the kernel has no capability of that number.
pub(crate) fn drop_from_bounding_set(capability: u32) -> io::Result<bool> {
    // SAFETY: prctl with numbers only.
    match checked(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability)) }) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the calling thread's effective and permitted capabilities those of the bits in `mask`, and the inheritable
/// and ambient ones none.
pub(crate) fn set_capabilities(mask: u64) -> io::Result<()> {
    /// `_LINUX_CAPABILITY_VERSION_3` of linux/capability.h
    const VERSION: u32 = 0x2008_0522;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let header = Header {
        version: VERSION,
        pid: 0,
    };
    let data = [mask as u32, (mask >> 32) as u32].map(|half| Data {
        effective: half,
        permitted: half,
        inheritable: 0,
    });
    // SAFETY: version 3 takes one header and two data structures, which live through the call.
    checked(unsafe { libc::syscall(libc::SYS_capset, &header, &data) } as c_int)
}

/// Sets an extended attribute of the file at `path`, not following a symlink there.
pub(crate) fn set_xattr(path: &CStr, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: the pointers and the length describe live buffers.
    checked(unsafe {
        libc::lsetxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    })
}

/// Brings the network interface `lo` up.
pub(crate) fn loopback_up() -> io::Result<()> {
    // SAFETY: ifreq is plain data; the ioctls read and write that structure alone; the descriptor is ours to close.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        checked(socket)?;
        let mut request: libc::ifreq = mem::zeroed();
        for (target, source) in request.ifr_name.iter_mut().zip(b"lo") {
            *target = *source as c_char;
        }
        let outcome = checked(libc::ioctl(socket, libc::SIOCGIFFLAGS as _, &mut request)).and_then(|()| {
            request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
            checked(libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &request))
        });
        libc::close(socket);
        outcome
    }
}

fn checked(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
