// Signs in at the simulator with @azure/msal-node and prints what came of it.
// Argument: JSON with url, tid, client, secret, user, redirect.
"use strict";
const msal = require("@azure/msal-node");
const set = JSON.parse(process.argv[2]);
const graph = "https://graph.microsoft.com/";

function auth(tenant, secret) {
	return { auth: {
		clientId: set.client, authority: set.url + "/" + tenant,
		knownAuthorities: [new URL(set.url).host],
		...(secret ? { clientSecret: secret } : {})
	} };
}

async function failed(promise) {
	try {
		await promise;
		return "no error";
	} catch (err) {
		return { code: err.errorCode, no: err.errorNo };
	}
}

async function byCode() {
	const app = new msal.ConfidentialClientApplication(
		auth("common", set.secret));
	const pkce = await new msal.CryptoProvider().generatePkceCodes();
	const request = { scopes: ["Mail.Read"], redirectUri: set.redirect,
		nonce: "n", loginHint: set.user };
	const url = await app.getAuthCodeUrl({ ...request, state: "s&t",
		codeChallenge: pkce.challenge, codeChallengeMethod: "S256" });
	const answer = await fetch(url, { redirect: "manual" });
	const back = new URL(answer.headers.get("location")).searchParams;
	const code = { ...request, code: back.get("code"),
		codeVerifier: pkce.verifier };
	const first = await app.acquireTokenByCode(code, { nonce: "n" });
	const second = await app.acquireTokenSilent({ scopes: ["Mail.Read"],
		account: first.account, forceRefresh: true });
	return { state: back.get("state"), user: first.account.username,
		tenant: first.tenantId, renewed: first.accessToken !==
		second.accessToken, again: await failed(
			app.acquireTokenByCode(code)) };
}

async function byDevice() {
	const app = new msal.PublicClientApplication(auth("common"));
	const result = await app.acquireTokenByDeviceCode({
		scopes: ["Mail.Read"],
		deviceCodeCallback: (answer) => fetch(answer.verificationUri, {
			method: "POST", body: new URLSearchParams({
				user_code: answer.userCode, user: set.user,
				decision: "accept" }) })
	});
	return { user: result.account.username };
}

async function asApp() {
	const scopes = [graph + ".default"];
	const app = new msal.ConfidentialClientApplication(
		auth(set.tid, set.secret));
	const wrong = new msal.ConfidentialClientApplication(
		auth(set.tid, "wrong"));
	const result = await app.acquireTokenByClientCredential({ scopes });
	return { token: result.accessToken.length > 0, wrong: await failed(
		wrong.acquireTokenByClientCredential({ scopes })) };
}

(set.secret ? Promise.all([byCode(), asApp()]) : Promise.all([byDevice()]))
	.then((results) => console.log(JSON.stringify(
		Object.assign({}, ...results))));
