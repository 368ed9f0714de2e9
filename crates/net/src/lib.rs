//! Portolan: a TCP/IP stack in user space, with async and blocking sockets.
