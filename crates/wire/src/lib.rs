//! Bytes to typed headers and back: Ethernet, ARP, IP, ICMP, UDP, TCP.
