//! safelight-local
