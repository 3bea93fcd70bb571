//! safelight-lambda-host
