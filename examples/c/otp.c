/* A one-time password alone, without engine or storage: what an app shows now is right, once. */
#include <mfacore.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    const char *base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    mfacore_slice secret = {(const uint8_t *)base32, strlen(base32)};
    mfacore_totp totp = {.struct_size = sizeof totp, .secret = secret, .steps_back = 1};
    mfacore_text *code = NULL; /* what the user's app shows; yours comes from a form */
    if (mfacore_otp_generate(&totp, 0, &code, NULL) != MFACORE_OK) return 1;

    uint64_t step = MFACORE_OTP_NO_STEP; /* from the user's row; kept there again, in the transaction of the login */
    for (int attempt = 0; attempt < 2; attempt++) {
        int32_t result;
        if (mfacore_otp_check(&totp, mfacore_text_get(code), 0, step, &result, &step, NULL) != MFACORE_OK) return 1;
        printf("%s\n", result == MFACORE_OTP_ACCEPTED ? "accepted" : "refused");
    }
    mfacore_text_free(code);
    return 0;
}
