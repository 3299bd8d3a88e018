/* The layout of the structs that cross the boundary, on LP64 targets; tests/layout.rs holds the same numbers on the
 * other side. Within one MFACORE_ABI they change by members at the end alone. */
#include "mfacore.h"

#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#define AT(type, member, offset) _Static_assert(offsetof(type, member) == (offset), #type "." #member)

#if defined(__LP64__)
SIZE(mfacore_slice, 16);
AT(mfacore_slice, data, 0);
AT(mfacore_slice, len, 8);

SIZE(mfacore_want, 88);
AT(mfacore_want, struct_size, 0);
AT(mfacore_want, kind, 8);
AT(mfacore_want, after_ms, 12);
AT(mfacore_want, key, 16);
AT(mfacore_want, has_expected, 32);
AT(mfacore_want, is_delete, 36);
AT(mfacore_want, expected, 40);
AT(mfacore_want, version, 56);
AT(mfacore_want, bytes, 72);

SIZE(mfacore_store_table, 32);
AT(mfacore_store_table, struct_size, 0);
AT(mfacore_store_table, context, 8);
AT(mfacore_store_table, load, 16);
AT(mfacore_store_table, swap, 24);

SIZE(mfacore_totp, 48);
AT(mfacore_totp, struct_size, 0);
AT(mfacore_totp, secret, 8);
AT(mfacore_totp, algorithm, 24);
AT(mfacore_totp, digits, 28);
AT(mfacore_totp, period_s, 32);
AT(mfacore_totp, steps_back, 36);
AT(mfacore_totp, steps_forward, 40);
AT(mfacore_totp, reserved, 44);

SIZE(mfacore_effect, 80);
AT(mfacore_effect, struct_size, 0);
AT(mfacore_effect, kind, 8);
AT(mfacore_effect, reserved, 12);
AT(mfacore_effect, json, 16);
AT(mfacore_effect, name, 32);
AT(mfacore_effect, destination, 48);
AT(mfacore_effect, code, 64);
#endif

_Static_assert(sizeof(mfacore_status) == 4, "mfacore_status");
_Static_assert(MFACORE_OUTCOME_NONE == 0 && MFACORE_OUTCOME_DONE == 11 && MFACORE_OUTCOME_REQUIRED == 22 &&
                   MFACORE_OUTCOME_DENIED == 33 && MFACORE_OUTCOME_CONFIRMED == 44 &&
                   MFACORE_OUTCOME_GRANTED == 0x4D464121,
               "outcomes");

int main(void) {
    return mfacore_abi() == MFACORE_ABI ? 0 : 1;
}
