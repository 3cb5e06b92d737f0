//! windlass-control
