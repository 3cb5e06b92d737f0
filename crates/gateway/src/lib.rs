//! windlass-gateway
