//! safelight-kit
