//! safelight-aws
