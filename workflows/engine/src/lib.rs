//! safelight-engine
