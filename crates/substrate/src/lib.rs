//! windlass-substrate
