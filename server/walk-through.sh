#!/bin/sh
# ann logs in, enrolls her telephone, logs in with it, recovers without it, and removes it.
# SERVER and PASSWORD are what the server printed when it started.
set -eu
: "${SERVER:?the address that the server printed: http://127.0.0.1:8080/}" "${PASSWORD:?the password that it printed}"

call() { curl --silent --show-error "$@"; echo; }
token() { call "${SERVER}oauth/token" --data client_id=demo "$@"; }
grant() { token --data-urlencode "grant_type=http://auth0.com/oauth/grant-type/mfa-$1" --data "mfa_token=$mfa_token" \
  --data-urlencode "$2" ${3:+--data-urlencode "$3"}; }
password() { token --data grant_type=password --data username=ann --data-urlencode "password=$PASSWORD" "$@"; }
member() { # of the answer on standard input; without it there is no going on
  answer_read=$(cat)
  value=$(echo "$answer_read" | sed -n "s/.*\"$1\":\[\{0,1\}\"\([^\"]*\)\".*/\1/p")
  [ -n "$value" ] || { echo "stopped, no $1 in: $answer_read" >&2; kill $$; }
  echo "$value"
}
code() { call "${SERVER}dev/outbox" | member code; } # what her telephone shows
challenge() { call "${SERVER}mfa/challenge" --data client_id=demo --data "mfa_token=$mfa_token" --data challenge_type=oob; }

echo "1. The password is right, and policy asks for a second factor. She has none: enroll."
answer=$(password --data scope=openid)
echo "$answer"
mfa_token=$(echo "$answer" | member mfa_token)

echo "2. She takes her telephone. A code goes out, and she gets a recovery code to keep."
answer=$(call "${SERVER}mfa/associate" --header "Authorization: Bearer $mfa_token" --json \
  '{"authenticator_types":["oob"],"oob_channels":["sms"],"phone_number":"+4930123459167"}')
echo "$answer"
recovery_code=$(echo "$answer" | member recovery_codes)

echo "3. The code confirms the telephone, and logs her in."
grant oob "oob_code=$(echo "$answer" | member oob_code)" "binding_code=$(code)"

echo "4. Next time: the password, a challenge of her telephone, its code."
mfa_token=$(password --data scope=openid | member mfa_token)
call "${SERVER}mfa/authenticators" --header "Authorization: Bearer $mfa_token"
answer=$(challenge)
echo "$answer"
grant oob "oob_code=$(echo "$answer" | member oob_code)" "binding_code=$(code)"

echo "5. A code that is wrong gets nobody in."
mfa_token=$(password --data scope=openid | member mfa_token)
answer=$(challenge)
grant oob "oob_code=$(echo "$answer" | member oob_code)" "binding_code=none"

echo "6. Without her telephone: the recovery code. A new one takes its place."
grant recovery-code "recovery_code=$recovery_code"

echo "7. An access token of the MFA API, after her telephone, removes it."
mfa_token=$(password --data-urlencode "audience=${SERVER}mfa/" \
  --data-urlencode "scope=read:authenticators remove:authenticators" | member mfa_token)
answer=$(challenge)
access_token=$(grant oob "oob_code=$(echo "$answer" | member oob_code)" "binding_code=$(code)" | member access_token)
id=$(call "${SERVER}mfa/authenticators" --header "Authorization: Bearer $access_token" | sed 's/"},{.*//' | member id)
call "${SERVER}mfa/authenticators/$id" --request DELETE --header "Authorization: Bearer $access_token" \
  --write-out "%{http_code}"
