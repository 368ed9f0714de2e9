//! libc's own functions, which the hooks stand in front of.
//!
//! They are found with `dlsym(RTLD_NEXT)`: all of them when the library is loaded, because dlsym may allocate
//! and a signal handler may be the first to call; and one by one for a constructor that runs before ours.
//! Blocking calls go through these and not through bare system calls, so that they stay cancellation points.

#![expect(unsafe_code, reason = "libc's functions are called through pointers")]
#![expect(clippy::too_many_arguments, reason = "libc's signatures")]

use core::ffi::CStr;
use core::mem::transmute;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use libc::{
    addrinfo, c_char, c_int, c_long, c_uint, c_ulong, c_void, hostent, ifaddrs, iovec, mmsghdr, msghdr,
    nfds_t, pid_t, pollfd, rlimit, rlimit64, sigset_t, size_t, sockaddr, socklen_t, ssize_t, timespec,
    utsname,
};

/// One of libc's functions.
struct Symbol {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Symbol {
    const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    fn get(&self) -> *mut c_void {
        let address = self.address.load(Ordering::Relaxed);
        if address.is_null() { self.resolve() } else { address }
    }

    #[cold]
    fn resolve(&self) -> *mut c_void {
        // SAFETY: the name ends with NUL.
        let address = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        if address.is_null() {
            // SAFETY: a libc without this function cannot have let the program call it.
            unsafe { libc::abort() }
        }
        self.address.store(address, Ordering::Relaxed);
        address
    }
}

macro_rules! real {
    ($($symbol:ident: fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        $(
            static $symbol: Symbol = Symbol::new(
                match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => panic!("a function's name holds a NUL"),
                },
            );

            /// libc's function of this name.
            pub(crate) unsafe fn $name($($argument: $type),*) -> $output {
                // SAFETY: the symbol has this signature in glibc's headers; the caller vouches for the arguments.
                unsafe { transmute::<*mut c_void, unsafe extern "C" fn($($type),*) -> $output>($symbol.get())($($argument),*) }
            }
        )*

        /// Finds every function, at load time.
        pub(crate) fn resolve_all() {
            $( $symbol.get(); )*
            SYSCALL.get();
        }
    };
}

static SYSCALL: Symbol = Symbol::new(c"syscall");

/// libc's syscall, whose arguments are variable.
pub(crate) fn syscall() -> unsafe extern "C" fn(c_long, ...) -> c_long {
    // SAFETY: the symbol has this signature in glibc's headers.
    unsafe { transmute::<*mut c_void, unsafe extern "C" fn(c_long, ...) -> c_long>(SYSCALL.get()) }
}

real! {
    SOCKET: fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    BIND: fn bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int;
    LISTEN: fn listen(fd: c_int, backlog: c_int) -> c_int;
    ACCEPT4: fn accept4(fd: c_int, address: *mut sockaddr, len: *mut socklen_t, flags: c_int) -> c_int;
    SHUTDOWN: fn shutdown(fd: c_int, how: c_int) -> c_int;
    GETSOCKNAME: fn getsockname(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int;
    GETPEERNAME: fn getpeername(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int;
    GETSOCKOPT: fn getsockopt(fd: c_int, level: c_int, name: c_int, value: *mut c_void, len: *mut socklen_t) -> c_int;
    SETSOCKOPT: fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, len: socklen_t) -> c_int;
    RECVMSG: fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t;
    CONNECT: fn connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int;
    IOCTL: fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int;
    CLOSE: fn close(fd: c_int) -> c_int;
    READ: fn read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t;
    READV: fn readv(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t;
    RECV: fn recv(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int) -> ssize_t;
    RECVFROM: fn recvfrom(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int, address: *mut sockaddr, address_len: *mut socklen_t) -> ssize_t;
    RECVMMSG: fn recvmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int, timeout: *mut timespec) -> c_int;
    WRITE: fn write(fd: c_int, buffer: *const c_void, len: size_t) -> ssize_t;
    WRITEV: fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t;
    SENDTO: fn sendto(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int, address: *const sockaddr, address_len: socklen_t) -> ssize_t;
    SENDMSG: fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t;
    SENDMMSG: fn sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int;
    SETRLIMIT: fn setrlimit(resource: c_int, limit: *const rlimit) -> c_int;
    SETRLIMIT64: fn setrlimit64(resource: c_int, limit: *const rlimit64) -> c_int;
    PRLIMIT: fn prlimit(process: pid_t, resource: c_int, new: *const rlimit, old: *mut rlimit) -> c_int;
    PRLIMIT64: fn prlimit64(process: pid_t, resource: c_int, new: *const rlimit64, old: *mut rlimit64) -> c_int;
    POLL: fn poll(entries: *mut pollfd, count: nfds_t, timeout: c_int) -> c_int;
    PPOLL: fn ppoll(entries: *mut pollfd, count: nfds_t, timeout: *const timespec, mask: *const sigset_t) -> c_int;
    GETHOSTNAME: fn gethostname(name: *mut c_char, len: size_t) -> c_int;
    UNAME: fn uname(out: *mut utsname) -> c_int;
    PRCTL: fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int;
    GETADDRINFO: fn getaddrinfo(node: *const c_char, service: *const c_char, hints: *const addrinfo, result: *mut *mut addrinfo) -> c_int;
    GETNAMEINFO: fn getnameinfo(address: *const sockaddr, len: socklen_t, host: *mut c_char, host_len: socklen_t, service: *mut c_char, service_len: socklen_t, flags: c_int) -> c_int;
    GETIFADDRS: fn getifaddrs(list: *mut *mut ifaddrs) -> c_int;
    IF_NAMETOINDEX: fn if_nametoindex(name: *const c_char) -> c_uint;
    IF_INDEXTONAME: fn if_indextoname(index: c_uint, name: *mut c_char) -> *mut c_char;
    IF_NAMEINDEX: fn if_nameindex() -> *mut libc::if_nameindex;
    GETHOSTBYNAME: fn gethostbyname(name: *const c_char) -> *mut hostent;
    GETHOSTBYNAME2: fn gethostbyname2(name: *const c_char, family: c_int) -> *mut hostent;
    GETHOSTBYADDR: fn gethostbyaddr(address: *const c_void, len: socklen_t, family: c_int) -> *mut hostent;
    GETHOSTBYNAME_R: fn gethostbyname_r(name: *const c_char, entry: *mut hostent, buffer: *mut c_char, len: size_t, result: *mut *mut hostent, h_errno: *mut c_int) -> c_int;
    GETHOSTBYNAME2_R: fn gethostbyname2_r(name: *const c_char, family: c_int, entry: *mut hostent, buffer: *mut c_char, len: size_t, result: *mut *mut hostent, h_errno: *mut c_int) -> c_int;
    GETHOSTBYADDR_R: fn gethostbyaddr_r(address: *const c_void, address_len: socklen_t, family: c_int, entry: *mut hostent, buffer: *mut c_char, len: size_t, result: *mut *mut hostent, h_errno: *mut c_int) -> c_int;
}
