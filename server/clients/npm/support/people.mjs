// What the users own.

const number = (username) => username.slice(1);

export const phoneNumberOf = (username) => `+120255501${number(username)}`;
export const verifiedEmailOf = (username) => `${username}@example.com`;
export const otherEmailOf = (username) => `other.${username}@example.com`;
