//! windlass-node
