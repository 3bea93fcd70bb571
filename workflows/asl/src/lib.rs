//! safelight-asl
