//! safelight-ports
