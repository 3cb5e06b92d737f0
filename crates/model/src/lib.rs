//! windlass-model
