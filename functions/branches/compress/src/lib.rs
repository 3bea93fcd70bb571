//! safelight-branch-compress
