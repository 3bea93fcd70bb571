//! safelight-complete
