//! windlass-substrate-process
