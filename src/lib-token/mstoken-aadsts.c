#include "mstoken-aadsts.h"

#include <stdlib.h>
#include <string.h>

#define CONSENT MSTOKEN_STATE_NEEDS_CONSENT
#define SIGN_IN MSTOKEN_STATE_NEEDS_SIGN_IN
#define REVOKED MSTOKEN_STATE_REVOKED
#define BLOCKED MSTOKEN_STATE_BLOCKED_BY_POLICY
#define CONFIG MSTOKEN_STATE_MISCONFIGURED
#define TRANSIENT MSTOKEN_STATE_UNREACHABLE

#define NOBODY MSTOKEN_ACTOR_NOBODY
#define USER MSTOKEN_ACTOR_USER
#define ADMIN MSTOKEN_ACTOR_TENANT_ADMIN
#define OPERATOR MSTOKEN_ACTOR_OPERATOR

#define WRONG_ACCOUNT "the account does not belong to this organisation"
#define WRONG_ACCOUNT_R "sign in with the right account, or have it invited " \
	"as a guest"
#define PASSWORD "the password is wrong, expired or missing"
#define PASSWORD_R "sign in again in the browser"
#define MFA "the organisation asks for a further proof of identity"
#define MFA_R "sign in again in the browser and complete the extra step"
#define SESSION "the sign-in was ended by a password change or an administrator"
#define SESSION_R "link the account again"
#define DEVICE "the organisation only lets managed devices in"
#define DEVICE_R "an administrator must exempt this application in " \
	"Conditional Access"
#define TENANT "the tenant is unknown or missing"
#define TENANT_R "correct the setting tenant"
#define PKCE "the proof key of the sign-in did not match"
#define PKCE_R "start the sign-in again from the link"
#define APP "the application is misconfigured or not known in the tenant"
#define APP_R "check client_id, tenant and the API permissions of the app " \
	"registration"
#define ASSERTION "the certificate or its signature was refused"
#define ASSERTION_R "upload the certificate to the app registration and check " \
	"the clock"
#define SCOPE "the permissions asked for are invalid"
#define SCOPE_R "check the setting features and the cloud in graph_url"
#define REQUEST "the login host did not understand the request"
#define REQUEST_R "report it as a bug with the log lines around it"
#define FLOW "this kind of request is not enabled for the application"
#define FLOW_R "check the platform (Web) of the app registration"
#define SERVICE "the login host has a temporary problem"
#define SERVICE_R "wait; it is tried again"
#define EXPIRED "the sign-in has expired"
#define EXPIRED_R "link the account again"
#define SPA "the redirect URI is registered as a single-page application"
#define SPA_R "register it as platform Web instead"

/* sorted by code */
static const struct mstoken_aadsts table[] = {
	{ 16000, SIGN_IN, USER, WRONG_ACCOUNT, WRONG_ACCOUNT_R },
	{ 28000, CONFIG, OPERATOR, SCOPE, SCOPE_R },
	{ 28002, CONFIG, OPERATOR, SCOPE, SCOPE_R },
	{ 28003, CONFIG, OPERATOR, SCOPE, SCOPE_R },
	{ 50000, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 50001, CONFIG, OPERATOR, SCOPE, SCOPE_R },
	{ 50011, CONFIG, OPERATOR,
	  "the redirect URI is not registered for the application",
	  "add public_url + callback_path to the redirect URIs (platform Web)" },
	{ 50012, CONFIG, OPERATOR, ASSERTION, ASSERTION_R },
	{ 50020, SIGN_IN, USER, WRONG_ACCOUNT, WRONG_ACCOUNT_R },
	{ 50027, CONFIG, OPERATOR, ASSERTION, ASSERTION_R },
	{ 50033, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 50034, SIGN_IN, USER, WRONG_ACCOUNT, WRONG_ACCOUNT_R },
	{ 50053, SIGN_IN, ADMIN, "the account is locked",
	  "wait, or have an administrator unlock it" },
	{ 50055, SIGN_IN, USER, PASSWORD, PASSWORD_R },
	{ 50056, SIGN_IN, USER, PASSWORD, PASSWORD_R },
	{ 50057, BLOCKED, ADMIN, "the account is disabled",
	  "an administrator must enable it" },
	{ 50058, SIGN_IN, USER, "there is no session in the browser",
	  PASSWORD_R },
	{ 50059, CONFIG, OPERATOR, TENANT, TENANT_R },
	{ 50072, SIGN_IN, USER, MFA, MFA_R },
	{ 50074, SIGN_IN, USER, MFA, MFA_R },
	{ 50076, SIGN_IN, USER, MFA, MFA_R },
	{ 50078, SIGN_IN, USER, MFA, MFA_R },
	{ 50079, SIGN_IN, USER, MFA, MFA_R },
	{ 50087, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 50089, SIGN_IN, USER, EXPIRED, EXPIRED_R },
	{ 50097, BLOCKED, ADMIN, DEVICE, DEVICE_R },
	{ 50105, BLOCKED, ADMIN, "the user is not assigned to the application",
	  "an administrator must assign the user under Enterprise "
	  "applications" },
	{ 50125, SIGN_IN, USER, MFA, MFA_R },
	{ 50126, SIGN_IN, USER, PASSWORD, PASSWORD_R },
	{ 50127, BLOCKED, ADMIN, DEVICE, DEVICE_R },
	{ 50128, CONFIG, OPERATOR, TENANT, TENANT_R },
	{ 50129, BLOCKED, ADMIN, DEVICE, DEVICE_R },
	{ 50131, BLOCKED, ADMIN, DEVICE, DEVICE_R },
	{ 50132, REVOKED, USER, SESSION, SESSION_R },
	{ 50133, REVOKED, USER, SESSION, SESSION_R },
	{ 50144, SIGN_IN, USER, PASSWORD, PASSWORD_R },
	{ 50147, SIGN_IN, USER, PKCE, PKCE_R },
	{ 50158, SIGN_IN, USER, MFA, MFA_R },
	{ 50173, REVOKED, USER, SESSION, SESSION_R },
	{ 50194, CONFIG, OPERATOR,
	  "the application is single-tenant but tenant = common is used",
	  "set tenant to the tenant's id, or make the registration "
	  "multi-tenant" },
	{ 50196, TRANSIENT, OPERATOR, "too many identical requests were made",
	  SERVICE_R },
	{ 51004, SIGN_IN, USER, WRONG_ACCOUNT, WRONG_ACCOUNT_R },
	{ 53000, BLOCKED, ADMIN, DEVICE, DEVICE_R },
	{ 53001, BLOCKED, ADMIN, DEVICE, DEVICE_R },
	{ 53002, BLOCKED, ADMIN, DEVICE, DEVICE_R },
	{ 53003, BLOCKED, ADMIN, "Conditional Access forbids this sign-in",
	  DEVICE_R },
	{ 53004, BLOCKED, ADMIN, DEVICE, DEVICE_R },
	{ 54005, SIGN_IN, USER, "the code of this sign-in was used before",
	  PKCE_R },
	{ 65001, CONSENT, USER, "nobody has consented to the permissions yet",
	  "link the account again and accept, or have an administrator "
	  "consent for everybody" },
	{ 65002, CONFIG, OPERATOR, APP, APP_R },
	{ 65004, CONSENT, USER, "the permissions were declined",
	  "link the account again and accept them" },
	{ 65005, CONFIG, OPERATOR, APP, APP_R },
	{ 70000, REVOKED, USER, "the grant is no longer valid", SESSION_R },
	{ 70001, CONFIG, OPERATOR, APP, APP_R },
	{ 70002, CONFIG, OPERATOR, "the client secret is wrong",
	  "put the secret's value (not its id) into client_secret_file" },
	{ 70003, CONFIG, OPERATOR, FLOW, FLOW_R },
	{ 70005, CONFIG, OPERATOR, FLOW, FLOW_R },
	{ 70007, CONFIG, OPERATOR, FLOW, FLOW_R },
	{ 70008, SIGN_IN, USER, EXPIRED, EXPIRED_R },
	{ 70011, CONFIG, OPERATOR, SCOPE, SCOPE_R },
	{ 70012, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 70016, TRANSIENT, USER, "the device code has not been entered yet",
	  "enter the code in the browser" },
	{ 70018, SIGN_IN, USER, "the device code is wrong", EXPIRED_R },
	{ 70019, SIGN_IN, USER, "the device code has expired", EXPIRED_R },
	{ 70020, SIGN_IN, USER, "the device code has expired", EXPIRED_R },
	{ 70043, SIGN_IN, USER, "the organisation limits how long a sign-in "
	  "lasts", EXPIRED_R },
	{ 90002, CONFIG, OPERATOR, TENANT, TENANT_R },
	{ 90005, CONFIG, OPERATOR, REQUEST, REQUEST_R },
	{ 90006, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 90008, CONFIG, OPERATOR, APP, "add User.Read to the API permissions" },
	{ 90012, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 90014, CONFIG, OPERATOR, REQUEST, REQUEST_R },
	{ 90019, CONFIG, OPERATOR, TENANT, TENANT_R },
	{ 90024, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 90033, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 90036, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 90055, TRANSIENT, NOBODY, "the login host throttles us", SERVICE_R },
	{ 90072, SIGN_IN, USER, WRONG_ACCOUNT, WRONG_ACCOUNT_R },
	{ 90090, TRANSIENT, NOBODY, SERVICE, SERVICE_R },
	{ 90093, CONSENT, ADMIN, "only an administrator may consent to the "
	  "permissions", "ask an administrator to grant admin consent" },
	{ 90094, CONSENT, ADMIN, "only an administrator may consent to the "
	  "permissions", "ask an administrator to grant admin consent" },
	{ 90095, CONSENT, ADMIN, "the consent request waits for an "
	  "administrator", "ask an administrator to approve the request" },
	{ 90124, CONFIG, OPERATOR, TENANT, TENANT_R },
	{ 90130, CONFIG, OPERATOR, TENANT, TENANT_R },
	{ 500011, CONFIG, OPERATOR, SCOPE, SCOPE_R },
	{ 500133, CONFIG, OPERATOR, ASSERTION, ASSERTION_R },
	{ 501481, SIGN_IN, USER, PKCE, PKCE_R },
	{ 501491, SIGN_IN, USER, PKCE, PKCE_R },
	{ 530032, BLOCKED, ADMIN, "a policy blocks this sign-in", DEVICE_R },
	{ 530034, BLOCKED, ADMIN, "a policy blocks this sign-in", DEVICE_R },
	{ 530035, BLOCKED, ADMIN, "the security defaults block this sign-in",
	  DEVICE_R },
	{ 530036, BLOCKED, ADMIN, "a policy forbids signing in by device code",
	  "link the account by the link in a browser, or have an "
	  "administrator exempt this application" },
	{ 650052, CONFIG, ADMIN,
	  "the organisation has not subscribed to the service that is asked for",
	  "an administrator must enable Exchange Online and Microsoft Graph for "
	  "the organisation" },
	{ 650056, CONFIG, OPERATOR, APP, APP_R },
	{ 650057, CONFIG, OPERATOR, APP, APP_R },
	{ 700005, CONFIG, OPERATOR, "the code was redeemed at another tenant",
	  TENANT_R },
	{ 700016, CONFIG, OPERATOR, APP, APP_R },
	{ 700022, CONFIG, OPERATOR, SCOPE, SCOPE_R },
	{ 700023, CONFIG, OPERATOR, SCOPE, SCOPE_R },
	{ 700024, CONFIG, OPERATOR, ASSERTION, ASSERTION_R },
	{ 700025, CONFIG, OPERATOR,
	  "the application is a public client and must not send a secret",
	  "remove client_secret_file, or register the redirect URI as "
	  "platform Web" },
	{ 700027, CONFIG, OPERATOR, ASSERTION, ASSERTION_R },
	{ 700030, CONFIG, OPERATOR, ASSERTION, ASSERTION_R },
	{ 700054, CONFIG, OPERATOR, FLOW, FLOW_R },
	{ 700082, SIGN_IN, USER, "the account was not used for 90 days",
	  EXPIRED_R },
	{ 700084, SIGN_IN, USER, EXPIRED, SPA_R },
	{ 900023, CONFIG, OPERATOR, TENANT, TENANT_R },
	{ 900144, CONFIG, OPERATOR, REQUEST, REQUEST_R },
	{ 1002012, CONFIG, OPERATOR, SCOPE, SCOPE_R },
	{ 7000215, CONFIG, OPERATOR, "the client secret is wrong",
	  "put the secret's value (not its id) into client_secret_file" },
	{ 7000218, CONFIG, OPERATOR,
	  "the application needs a client secret and got none",
	  "set client_secret_file" },
	{ 7000222, CONFIG, OPERATOR, "the client secret has expired",
	  "make a new secret in the app registration and put its value into "
	  "client_secret_file" },
	{ 9001023, CONFIG, OPERATOR, TENANT, TENANT_R },
	{ 9002313, CONFIG, OPERATOR, REQUEST, REQUEST_R },
	{ 9002325, CONFIG, OPERATOR, SPA, SPA_R },
	{ 9002326, CONFIG, OPERATOR, SPA, SPA_R },
	{ 9002327, CONFIG, OPERATOR, SPA, SPA_R },
	{ 9002332, CONFIG, OPERATOR, TENANT, TENANT_R },
	{ 0, TRANSIENT, NOBODY, NULL, NULL }
};

/* by the OAuth error when the number says nothing */
static const struct {
	const char *error;
	struct mstoken_aadsts entry;
} by_error[] = {
	{ "interaction_required", { 0, SIGN_IN, USER, MFA, MFA_R } },
	{ "login_required", { 0, SIGN_IN, USER, PASSWORD, PASSWORD_R } },
	{ "consent_required", { 0, CONSENT, USER,
		"the permissions have not been consented to",
		"link the account again and accept them" } },
	{ "access_denied", { 0, CONSENT, USER,
		"the permissions were declined, or only an administrator may "
		"grant them",
		"link the account again and accept them, or ask an "
		"administrator to grant admin consent" } },
	{ "authorization_declined", { 0, CONSENT, USER,
		"the sign-in was declined", EXPIRED_R } },
	{ "expired_token", { 0, SIGN_IN, USER, "the device code has expired",
		EXPIRED_R } },
	{ "bad_verification_code", { 0, SIGN_IN, USER,
		"the device code is wrong", EXPIRED_R } },
	{ "invalid_grant", { 0, SIGN_IN, USER,
		"the login host no longer accepts the sign-in", EXPIRED_R } },
	{ "invalid_client", { 0, CONFIG, OPERATOR, APP, APP_R } },
	{ "unauthorized_client", { 0, CONFIG, OPERATOR, APP, APP_R } },
	{ "invalid_resource", { 0, CONFIG, OPERATOR, SCOPE, SCOPE_R } },
	{ "invalid_scope", { 0, CONFIG, OPERATOR, SCOPE, SCOPE_R } },
	{ "invalid_request", { 0, CONFIG, OPERATOR, REQUEST, REQUEST_R } },
	{ "unsupported_grant_type", { 0, CONFIG, OPERATOR, FLOW, FLOW_R } },
	{ "unsupported_response_type", { 0, CONFIG, OPERATOR, FLOW, FLOW_R } },
};

static const struct mstoken_aadsts unknown = {
	0, TRANSIENT, NOBODY, SERVICE, SERVICE_R
};

static int aadsts_cmp(const void *key, const void *entry)
{
	unsigned int code = *(const unsigned int *)key;
	const struct mstoken_aadsts *e = entry;

	return code < e->code ? -1 : code > e->code ? 1 : 0;
}

const struct mstoken_aadsts *
mstoken_aadsts_find(const char *error, unsigned int code)
{
	const struct mstoken_aadsts *entry;
	size_t i, count = sizeof(table) / sizeof(table[0]) - 1;

	entry = code == 0 ? NULL :
		bsearch(&code, table, count, sizeof(table[0]), aadsts_cmp);
	if (entry != NULL)
		return entry;
	for (i = 0; i < sizeof(by_error) / sizeof(by_error[0]); i++) {
		if (error != NULL && strcmp(error, by_error[i].error) == 0)
			return &by_error[i].entry;
	}
	return &unknown;
}

const struct mstoken_aadsts *mstoken_aadsts_table(void)
{
	return table;
}

unsigned int mstoken_aadsts_code(const char *description)
{
	const char *p = description == NULL ? NULL :
		strstr(description, "AADSTS");
	unsigned long code;

	if (p == NULL)
		return 0;
	code = strtoul(p + strlen("AADSTS"), NULL, 10);
	return code > 99999999 ? 0 : (unsigned int)code;
}

static const char *const state_names[] = {
	"ok", "needs_consent", "needs_sign_in", "revoked",
	"blocked_by_policy", "misconfigured", "unreachable", "not_linked"
};

const char *mstoken_state_name(enum mstoken_state state)
{
	return state_names[state];
}

enum mstoken_state mstoken_state_parse(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
		if (name != NULL && strcmp(name, state_names[i]) == 0)
			return (enum mstoken_state)i;
	}
	return MSTOKEN_STATE_NEEDS_SIGN_IN;
}

const char *mstoken_actor_name(enum mstoken_actor actor)
{
	static const char *const names[] = {
		"nobody", "you", "an administrator of Microsoft 365",
		"the administrator of this mail server"
	};

	return names[actor];
}
