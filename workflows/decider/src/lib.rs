//! safelight-decider
