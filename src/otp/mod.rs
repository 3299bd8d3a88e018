//! One-time passwords: HOTP (RFC 4226), TOTP (RFC 6238), typed codes, `otpauth` URIs and QR codes.
