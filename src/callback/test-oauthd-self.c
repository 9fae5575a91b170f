/* Whose address may link itself, and how often something may happen. */

#include "oauthd-rate.h"
#include "oauthd-self.h"
#include "mstest.h"

static void test_allowed(void)
{
	static const struct {
		const char *domains, *address;
		bool want;
	} tests[] = {
		{ "example.com", "a@example.com", true },
		{ "example.com", "A@EXAMPLE.com", true },
		{ "a.example, b.example\tc.example", "x@b.example", true },
		{ "a.example, b.example\tc.example", "x@c.example", true },
		{ "example.com", "a@example.com.evil", false },
		{ "example.com", "a@sub.example.com", false },
		{ "example.com", "a@notexample.com", false },
		{ "example.com", "a@evil@example.com", false },
		{ "example.com", "@example.com", false },
		{ "example.com", "example.com", false },
		{ "example.com", "a b@example.com", false },
		{ "example.com", "a,b@example.com", false },
		{ "example.com", "a\nb@example.com", false },
		{ "example.com", "<a>@example.com", false },
		{ "example.com", "a@", false },
		{ "", "a@", false }, { " , ", "a@", false },
	};
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		T_CHECK_CASE(tests[i].address,
			oauthd_self_is_allowed(tests[i].domains,
				tests[i].address) == tests[i].want);
}

static void test_rate(void)
{
	struct oauthd_rate rate = { PTHREAD_MUTEX_INITIALIZER, 3, 10, 0 };
	unsigned int i;

	for (i = 0; i < 3; i++)
		T_CHECK(oauthd_rate_take(&rate, 1000));
	T_CHECK(!oauthd_rate_take(&rate, 1000));
	T_CHECK(!oauthd_rate_may(&rate, 1009));
	T_CHECK(oauthd_rate_may(&rate, 1010));
	T_CHECK(oauthd_rate_take(&rate, 1010));
	T_CHECK(!oauthd_rate_take(&rate, 1010));
	/* after a rest a whole burst again, and no more */
	for (i = 0; i < 3; i++)
		T_CHECK(oauthd_rate_take(&rate, 5000));
	T_CHECK(!oauthd_rate_take(&rate, 5000));
}

int main(void)
{
	test_allowed();
	test_rate();
	T_RETURN();
}
