//! safelight-pixels
