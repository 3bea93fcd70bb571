//! safelight-start
