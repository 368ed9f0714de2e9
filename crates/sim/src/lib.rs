//! A seeded virtual network: hosts, wires with faults, a virtual clock.
