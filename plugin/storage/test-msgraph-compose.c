/* Odd and ordinary messages through msgraph_compose(), and real ones when a
   corpus is at hand. */

#include "lib.h"
#include "str.h"
#include "istream.h"
#include "istream-crlf.h"
#include "ostream.h"
#include "unichar.h"
#include "read-full.h"
#include "test-common.h"
#include "msgraph-compose.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

struct test_composed {
	pool_t pool;
	FILE *parts;
	struct graph_new_message msg;
};

static void test_compose_stream(struct istream *input, struct test_composed *t)
{
	const char *error;

	t->pool = pool_alloconly_create("test compose", 4096);
	t->parts = tmpfile();
	if (t->parts == NULL)
		i_fatal("tmpfile() failed: %m");
	if (msgraph_compose(input, fileno(t->parts), t->pool, &t->msg,
			    &error) < 0)
		i_fatal("msgraph_compose() failed: %s", error);
}

static void
test_compose(const char *data, size_t size, struct test_composed *t)
{
	struct istream *input = i_stream_create_from_data(data, size);

	test_compose_stream(input, t);
	i_stream_unref(&input);
}

static void test_composed_free(struct test_composed *t)
{
	(void)fclose(t->parts);
	pool_unref(&t->pool);
}

/* LF to CRLF, for readable messages below */
static const char *crlf(const char *text)
{
	string_t *str = t_str_new(1024);

	for (; *text != '\0'; text++) {
		if (*text == '\n')
			str_append_c(str, '\r');
		str_append_c(str, *text);
	}
	return str_c(str);
}

static const char *
test_attachment(const struct test_composed *t, unsigned int i)
{
	const struct graph_new_attachment *att = &t->msg.attachments[i];
	char *data = t_malloc0(att->size + 1);

	if (att->size > 0 &&
	    pread_full(att->fd, data, att->size, att->offset) <= 0)
		i_fatal("pread() failed: %m");
	return data;
}

/* name|type|content id|inline|bytes, one a line */
static const char *test_attachments(const struct test_composed *t)
{
	const struct graph_new_attachment *att;
	string_t *str = t_str_new(256);
	unsigned int i;

	for (i = 0; i < t->msg.attachment_count; i++) {
		att = &t->msg.attachments[i];
		str_printfa(str, "%s|%s|%s|%d|%s\n", att->name,
			    att->content_type,
			    att->content_id == NULL ? "" : att->content_id,
			    att->is_inline ? 1 : 0, test_attachment(t, i));
	}
	return str_c(str);
}

static void test_strings(const char *got, const char *want, unsigned int i)
{
	test_assert_idx(null_strcmp(got, want) == 0, i);
	if (null_strcmp(got, want) != 0)
		i_info("got: %s\nwant: %s", got == NULL ? "(null)" : got,
		       want == NULL ? "(null)" : want);
}

static const struct {
	const char *name, *input;
	const char *subject, *body;
	bool html;
	const char *attachments;
} tests[] = {
	{ "empty", "", NULL, "", FALSE, "" },
	{ "no headers", "\njust text\n", NULL, "just text\r\n", FALSE, "" },
	{ "no body", "Subject: x\n\n", "x", "", FALSE, "" },
	{ "header only, no end", "Subject: x", "x", "", FALSE, "" },
	{ "line without colon",
	  "Subject: a\nnonsense\nFrom: <a@b>\n\nt\n",
	  "a", "t\r\n", FALSE, "" },
	{ "line without colon before an attachment alone",
	  "Subject: a\nnonsense\nContent-Type: image/png\n\nPNG\n",
	  "a", "", FALSE, "image.png|image/png||0|PNG\r\n\n" },
	{ "text without the empty line before it",
	  "Subject: a\nsome words\nand more\n", "a",
	  "some words\r\nand more\r\n", FALSE, "" },
	{ "no final newline", "Subject: a\n\nlast", "a", "last", FALSE, "" },
	{ "encoded subject, folded",
	  "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n =?utf-8?B?IMOkw7Y=?= end\n\n",
	  "Gr\xc3\xbc\xc3\x9f""e \xc3\xa4\xc3\xb6 end", "", FALSE, "" },
	{ "the first subject that says something",
	  "Subject:\nSubject: one\nSubject: two\n\n", "one", "", FALSE, "" },
	{ "latin1", "Content-Type: text/plain; charset=iso-8859-1\n"
	  "Content-Transfer-Encoding: quoted-printable\n\ncaf=E9=\n!\n",
	  NULL, "caf\xc3\xa9!\r\n", FALSE, "" },
	{ "raw 8 bit, no charset, UTF-8", "Subject: a\n\n\xc3\xa9\n",
	  "a", "\xc3\xa9\r\n", FALSE, "" },
	{ "raw 8 bit, no charset, other", "Subject: a\n\ncaf\xe9 \x80\n",
	  "a", "caf\xc3\xa9 \xe2\x82\xac\r\n", FALSE, "" },
	{ "unknown charset", "Content-Type: text/plain; charset=klingon\n\n"
	  "caf\xe9\n", NULL, "caf\xc3\xa9\r\n", FALSE, "" },
	{ "charset under another name",
	  "Content-Type: text/plain; charset=ks_c_5601-1987\n\n\xbd\xba\n",
	  NULL, "\xec\x8a\xa4\r\n", FALSE, "" },
	{ "broken UTF-8", "Content-Type: text/plain; charset=utf-8\n\n"
	  "a\xff""b\n", NULL, "a\xef\xbf\xbd""b\r\n", FALSE, "" },
	{ "only an attachment",
	  "Content-Type: application/pdf; name=\"a b.pdf\"\n"
	  "Content-Transfer-Encoding: base64\n\nUERG\n",
	  NULL, NULL, FALSE, "a b.pdf|application/pdf||0|PDF\n" },
	{ "base64 with rubbish",
	  "Content-Type: image/png\nContent-Disposition: attachment\n"
	  "Content-Transfer-Encoding: base64\n\nUE!!R-\nG\n\nMTI=trailer\n",
	  NULL, NULL, FALSE, "image.png|image/png||0|PDF12\n" },
	{ "alternative: html wins, plain goes",
	  "Content-Type: multipart/alternative; boundary=b\n\n"
	  "--b\nContent-Type: text/plain\n\nplain\n"
	  "--b\nContent-Type: text/html\n\n<p>html</p>\n--b--\n",
	  NULL, "<p>html</p>", TRUE, "" },
	{ "alternative: empty html does not win",
	  "Content-Type: multipart/alternative; boundary=b\n\n"
	  "--b\nContent-Type: text/plain\n\nplain\n"
	  "--b\nContent-Type: text/html\n\n--b--\n",
	  NULL, "plain", FALSE, "" },
	{ "alternative: nor does blank html",
	  "Content-Type: multipart/alternative; boundary=b\n\n"
	  "--b\nContent-Type: text/html\n\n<p>one</p>\n"
	  "--b\nContent-Type: text/html\n\n\n \n--b--\n",
	  NULL, "<p>one</p>", TRUE, "" },
	{ "alternative with calendar",
	  "Content-Type: multipart/alternative; boundary=b\n\n"
	  "--b\n\nplain\n"
	  "--b\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN\n--b--\n",
	  NULL, "plain", FALSE, "invite.ics|text/calendar||0|BEGIN\n" },
	{ "related: inline image",
	  "Content-Type: multipart/related; boundary=b\n\n"
	  "--b\nContent-Type: text/html\n\n<img src=\"cid:i@x\">\n"
	  "--b\nContent-Type: image/gif\nContent-ID: <i@x>\n\nGIF\n--b--\n",
	  NULL, "<img src=\"cid:i@x\">", TRUE,
	  "image.gif|image/gif|i@x|1|GIF\n" },
	{ "mixed: plain, attachment, list footer",
	  "Content-Type: multipart/mixed; boundary=b\n\npreamble\n"
	  "--b\n\none\n"
	  "--b\nContent-Type: text/x-patch\nContent-Disposition: inline\n\n"
	  "+x\n--b\nContent-Type: text/plain\n\nfooter\n--b--\nepilogue\n",
	  NULL, "one\r\nfooter", FALSE,
	  "attachment.patch|text/x-patch||0|+x\n" },
	{ "html with a plain footer",
	  "Content-Type: multipart/mixed; boundary=b\n\n"
	  "--b\nContent-Type: text/html\n\n<b>x</b>\n"
	  "--b\nContent-Type: text/plain\n\na<b\n--b--\n",
	  NULL, "<b>x</b><br>\r\n<pre style=\"white-space:pre-wrap\">a&lt;b"
	  "</pre>\r\n", TRUE, "" },
	{ "text with a name is an attachment",
	  "Content-Type: multipart/mixed; boundary=b\n\n"
	  "--b\n\none\n"
	  "--b\nContent-Type: text/plain; name=n.txt\n\ntwo\n--b--\n",
	  NULL, "one", FALSE, "n.txt|text/plain||0|two\n" },
	{ "names: RFC 2231 in pieces, RFC 2047, path",
	  "Content-Type: multipart/mixed; boundary=b\n\n"
	  "--b\nContent-Type: application/x-a\n"
	  "Content-Disposition: attachment;\n filename*0*=utf-8''%C3%A4;\n"
	  " filename*1*=%20b;\n filename*2=\".doc\"\n\n1\n"
	  "--b\nContent-Type: application/x-a; name=\"=?utf-8?B?w7Y=?=.bin\"\n\n"
	  "2\n--b\nContent-Type: application/x-a; name=\"../../etc/passwd\"\n\n"
	  "3\n--b--\n",
	  NULL, NULL, FALSE,
	  "\xc3\xa4 b.doc|application/x-a||0|1\n"
	  "\xc3\xb6.bin|application/x-a||0|2\n"
	  ".._.._etc_passwd|application/x-a||0|3\n" },
	{ "message within a message",
	  "Content-Type: multipart/mixed; boundary=b\n\n"
	  "--b\n\none\n"
	  "--b\nContent-Type: message/rfc822\n\n"
	  "Subject: inner/1\nContent-Type: multipart/mixed; boundary=c\n\n"
	  "--c\n\nin\n--c--\n--b--\n",
	  NULL, "one", FALSE,
	  "inner_1.eml|message/rfc822||0|Subject: inner/1\r\n"
	  "Content-Type: multipart/mixed; boundary=c\r\n\r\n"
	  /* lib-mail counts the last line's end to the inner message */
	  "--c\r\n\r\nin\r\n--c--\r\n\n" },
	{ "boundary missing in the header",
	  "Content-Type: multipart/mixed\n\n--b\n\none\n",
	  NULL, "--b\r\n\r\none\r\n", FALSE, "" },
	{ "boundary missing in the body",
	  "Content-Type: multipart/mixed; boundary=b\n\ntext\n",
	  NULL, "text\r\n", FALSE, "" },
	{ "a part without the empty line before it, and nothing else",
	  "Content-Type: multipart/mixed; boundary=b\n\n"
	  "--b\nno header at all\n--b--\n",
	  NULL, "no header at all\r\n", FALSE, "" },
	{ "closing boundary missing",
	  "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n"
	  "--b\nContent-Type: image/png\n\nPNG",
	  NULL, "one", FALSE, "image.png|image/png||0|PNG\n" },
	{ "signed: whole entity, and its text",
	  "Subject: s\nContent-Type: multipart/signed;\n boundary=b\n\n"
	  "--b\n\nsigned text\n"
	  "--b\nContent-Type: application/pkcs7-signature\n\nSIG\n--b--\n",
	  "s", "signed text", FALSE,
	  "smime.p7m|multipart/signed||0|Content-Type: multipart/signed;\r\n"
	  " boundary=b\r\n\r\n--b\r\n\r\nsigned text\r\n--b\r\n"
	  "Content-Type: application/pkcs7-signature\r\n\r\nSIG\r\n"
	  "--b--\r\n\n" },
	{ "encrypted",
	  "Content-Type: application/pkcs7-mime; name=x.p7m\n"
	  "Content-Transfer-Encoding: base64\n\nREVS\n",
	  NULL, NULL, FALSE, "smime.p7m|application/pkcs7-mime||0|DER\n" },
	{ "type that is none", "Content-Type: <script>/x\n\nhi\n",
	  NULL, NULL, FALSE, NULL },
};

static void test_compose_table(void)
{
	struct test_composed t;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		const char *input = crlf(tests[i].input);

		test_begin(t_strdup_printf("compose: %s", tests[i].name));
		test_compose(input, strlen(input), &t);
		test_strings(t.msg.subject, tests[i].subject, i);
		if (tests[i].body != NULL)
			test_strings(t.msg.body == NULL ? "" : t.msg.body,
				     tests[i].body, i);
		test_assert_idx(t.msg.body_is_html == tests[i].html, i);
		if (tests[i].attachments != NULL)
			test_strings(test_attachments(&t),
				     tests[i].attachments, i);
		test_composed_free(&t);
		test_end();
	} T_END;
}

static const char *test_addresses(const struct graph_addresses *addresses)
{
	string_t *str = t_str_new(128);
	unsigned int i;

	for (i = 0; i < addresses->count; i++)
		str_printfa(str, "[%s|%s]", addresses->items[i].name,
			    addresses->items[i].address);
	return str_c(str);
}

static void test_compose_headers(void)
{
	const char *input = crlf(
		"From: =?iso-8859-1?Q?J=F6rg?= <j@example.com>, b@example.com\n"
		"Sender: s@example.com\n"
		"To: group: a@x.org, \"B, C\" <b@x.org>;, undisclosed\n"
		"To: \"odd one\"@x.org\n"
		"Cc: broken <, <>, c@x.org\n"
		"Reply-To: r@x.org\n"
		"Date: Mon, 02 Mar 2020 10:00:00 +0100\n"
		"Message-ID: junk <id@x> more\n"
		"In-Reply-To: <p@x>\n"
		"References: <r1@x>\n <p@x>\n"
		"In-Reply-To: <second@x>\n"
		"References: <second@x>\n"
		"X-Priority: 1 (Highest)\n"
		"X-Mailer: Test\n 1.0\n"
		"X-MS-Exchange-Foo: no\n"
		"X-Bad Name: no\n"
		"\ntext\n");
	struct test_composed t;

	test_begin("compose: header fields");
	test_compose(input, strlen(input), &t);
	test_strings(test_addresses(&t.msg.from),
		     "[J\xc3\xb6rg|j@example.com]", 0);
	test_strings(test_addresses(&t.msg.sender), "[|s@example.com]", 1);
	test_strings(test_addresses(&t.msg.to),
		     "[|a@x.org][B, C|b@x.org][|\"odd one\"@x.org]", 2);
	test_strings(test_addresses(&t.msg.cc), "[|c@x.org]", 3);
	test_strings(test_addresses(&t.msg.reply_to), "[|r@x.org]", 4);
	test_assert(t.msg.bcc.count == 0);
	test_assert(t.msg.sent == 1583139600);
	test_assert(t.msg.received == GRAPH_TIME_UNKNOWN);
	test_strings(t.msg.internet_message_id, "<id@x>", 5);
	test_strings(t.msg.in_reply_to, "<p@x>", 6);
	test_strings(t.msg.references, "<r1@x> <p@x>", 7);
	test_strings(t.msg.importance, "high", 8);
	test_assert(t.msg.x_header_count == 1);
	if (t.msg.x_header_count == 1) {
		test_strings(t.msg.x_headers[0].name, "X-Mailer", 9);
		test_strings(t.msg.x_headers[0].value, "Test 1.0", 10);
	}
	test_assert(t.msg.transport_headers != NULL &&
		    strlen(t.msg.transport_headers) ==
		    strlen(input) - strlen("\r\ntext\r\n"));
	test_composed_free(&t);
	test_end();
}

static void test_compose_nonsense(void)
{
	static const char *const dates[] = {
		"yesterday", "", "Mon, 02 Mar 1820 10:00:00 +0000",
		"Mon, 02 Mar 2820 10:00:00 +0000", "99999999999"
	};
	static const char nuls[] =
		"Subject: a\0b\r\nFrom: x\0y@z\r\nContent-Type: text/plain\r\n"
		"\r\none\0two\r\n";
	struct test_composed t;
	unsigned int i;

	test_begin("compose: dates out of range");
	for (i = 0; i < N_ELEMENTS(dates); i++) {
		const char *input = t_strdup_printf("Date: %s\r\n\r\n",
						    dates[i]);
		test_compose(input, strlen(input), &t);
		test_assert_idx(t.msg.sent == GRAPH_TIME_UNKNOWN, i);
		test_assert_idx(t.msg.internet_message_id == NULL, i);
		test_composed_free(&t);
	}
	test_end();

	test_begin("compose: NUL bytes");
	test_compose(nuls, sizeof(nuls) - 1, &t);
	test_strings(t.msg.body, "one\xef\xbf\xbdtwo\r\n", 0);
	test_assert(t.msg.subject != NULL && *t.msg.subject == 'a');
	test_assert(strstr(t.msg.transport_headers, "text/plain") != NULL);
	test_composed_free(&t);
	test_end();
}

static void test_compose_limits(void)
{
	struct test_composed t;
	string_t *str = str_new(default_pool, 4096);
	unsigned int i;

	test_begin("compose: 200 nested parts");
	str_append(str, "Subject: deep\r\n");
	for (i = 0; i < 200; i++)
		str_printfa(str, "Content-Type: multipart/mixed; boundary=%03u\r\n"
			    "\r\n--%03u\r\n", i, i);
	str_append(str, "Content-Type: text/plain\r\n\r\nbottom\r\n");
	test_compose(str_c(str), str_len(str), &t);
	test_strings(t.msg.subject, "deep", 0);
	/* below the limit nothing is lost: it is in an attachment */
	test_assert(t.msg.attachment_count == 1);
	if (t.msg.attachment_count == 1) T_BEGIN {
		test_assert(strstr(test_attachment(&t, 0), "bottom") != NULL);
	} T_END;
	test_composed_free(&t);
	test_end();

	test_begin("compose: more parts than attachments");
	str_truncate(str, 0);
	str_append(str, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	str_append(str, "--b\r\n\r\nthe text\r\n");
	for (i = 0; i < MSGRAPH_COMPOSE_MAX_ATTACHMENTS + 1; i++)
		str_printfa(str, "--b\r\nContent-Type: x/y\r\n\r\n%u\r\n", i);
	str_append(str, "--b--\r\n");
	test_compose(str_c(str), str_len(str), &t);
	test_strings(t.msg.body, "the text", 0);
	test_assert(t.msg.attachment_count == 1);
	test_strings(t.msg.attachments[0].content_type, "message/rfc822", 1);
	test_assert(t.msg.attachments[0].size == str_len(str));
	test_composed_free(&t);
	test_end();

	test_begin("compose: text too long for a body");
	str_truncate(str, 0);
	str_append(str, "Subject: long\r\n\r\n");
	for (i = 0; i < 50000; i++)
		str_printfa(str, "%06u \"quoted\" \xc3\xa4 line of a text that "
			    "does not end\r\n", i);
	test_compose(str_c(str), str_len(str), &t);
	test_assert(strlen(t.msg.body) <= MSGRAPH_COMPOSE_MAX_BODY + 200);
	test_assert(uni_utf8_str_is_valid(t.msg.body));
	test_assert(strstr(t.msg.body, "attached file body.txt") != NULL);
	test_assert(t.msg.attachment_count == 1);
	test_assert(t.msg.attachments[0].size ==
		    str_len(str) - strlen("Subject: long\r\n\r\n"));
	test_composed_free(&t);
	test_end();
	str_free(&str);
}

static void test_compose_huge_header(void)
{
	struct test_composed t;
	string_t *str = str_new(default_pool, 4096);
	unsigned int i;

	test_begin("compose: huge header");
	str_append(str, "Subject: s\r\nReferences: <a@b>\r\n");
	for (i = 0; i < 60000; i++)
		str_printfa(str, " <%u@example.com>\r\n", i);
	for (i = 0; i < 3000; i++)
		str_printfa(str, "Received: by host %u\r\n", i);
	for (i = 0; i < 300; i++)
		str_printfa(str, "X-Field-%u: value\r\n", i);
	str_append(str, "To: ");
	for (i = 0; i < 5000; i++)
		str_printfa(str, "u%u@example.com,\r\n ", i);
	str_append(str, "z@example.com\r\nFrom: f@example.com\r\n\r\ntext\r\n");
	test_compose(str_c(str), str_len(str), &t);
	test_strings(t.msg.subject, "s", 0);
	test_assert(t.msg.references == NULL);
	test_assert(t.msg.x_header_count == MSGRAPH_COMPOSE_MAX_X_HEADERS);
	test_assert(t.msg.to.count <= MSGRAPH_COMPOSE_MAX_RECIPIENTS);
	test_assert(t.msg.from.count <= 1);
	test_assert(strlen(t.msg.transport_headers) <=
		    MSGRAPH_COMPOSE_MAX_HEADER_BLOCK);
	test_strings(t.msg.body, "text\r\n", 1);
	test_composed_free(&t);
	str_free(&str);
	test_end();
}

/* Every prefix of an involved message: cut mail is common, crashes are not. */
static void test_compose_prefixes(void)
{
	struct test_composed t;
	unsigned int i;
	size_t len, size;

	test_begin("compose: cut anywhere");
	for (i = 0; i < N_ELEMENTS(tests); i += 3) T_BEGIN {
		const char *input = crlf(tests[i].input);

		size = strlen(input);
		for (len = 0; len < size; len += 1 + size / 40) {
			test_compose(input, len, &t);
			test_assert_idx(t.msg.body == NULL ||
				uni_utf8_str_is_valid(t.msg.body), i);
			test_composed_free(&t);
		}
	} T_END;
	test_end();
}

/*
 * Real mail
 */

static const char *test_corpus_dir(void)
{
	static const char *const dirs[] = {
		"../shared/corpus", "../../shared/corpus",
		"../../../shared/corpus", "../../../../shared/corpus", NULL
	};
	const char *srcdir = getenv("srcdir"), *path;
	unsigned int i;

	path = getenv("MSGRAPH_TEST_CORPUS");
	if (path != NULL)
		return path;
	for (i = 0; dirs[i] != NULL; i++) {
		path = srcdir == NULL ? dirs[i] :
			t_strconcat(srcdir, "/", dirs[i], NULL);
		if (access(path, R_OK) == 0)
			return path;
	}
	return NULL;
}

static bool test_is_message(const char *name)
{
	return strstr(name, ".eml") != NULL;
}

static void test_corpus_file(const char *path)
{
	const struct graph_new_attachment *att;
	struct istream *file, *input;
	struct ostream *output;
	struct test_composed t;
	uoff_t total = 0, size;
	unsigned int i;
	FILE *copy;

	copy = tmpfile();
	if (copy == NULL)
		i_fatal("tmpfile() failed: %m");
	file = i_stream_create_file(path, 65536);
	input = i_stream_create_crlf(file);
	output = o_stream_create_fd_file(fileno(copy), 0, FALSE);
	o_stream_nsend_istream(output, input);
	test_assert(o_stream_finish(output) > 0);
	size = output->offset;
	o_stream_unref(&output);
	i_stream_unref(&input);
	i_stream_unref(&file);
	input = i_stream_create_fd(fileno(copy), 4096);
	test_compose_stream(input, &t);
	test_assert(t.msg.subject == NULL ||
		    uni_utf8_str_is_valid(t.msg.subject));
	test_assert(t.msg.body == NULL || uni_utf8_str_is_valid(t.msg.body));
	test_assert(t.msg.transport_headers != NULL &&
		    uni_utf8_str_is_valid(t.msg.transport_headers));
	/* something of the message must be there */
	test_assert(t.msg.body != NULL || t.msg.attachment_count > 0);
	for (i = 0; i < t.msg.attachment_count; i++) {
		att = &t.msg.attachments[i];
		test_assert(*att->name != '\0' && strlen(att->name) < 256);
		test_assert(strchr(att->content_type, '/') != NULL);
		total += att->size;
	}
	/* decoding never makes more of it */
	test_assert(total <= size);
	if (test_has_failed())
		i_info("file: %s", path);
	test_composed_free(&t);
	i_stream_unref(&input);
	(void)fclose(copy);
}

static void test_compose_corpus(void)
{
	const char *dir_path = test_corpus_dir();
	unsigned int count = 0;
	struct dirent *d;
	DIR *dir;

	test_begin("compose: corpus");
	dir = dir_path == NULL ? NULL : opendir(dir_path);
	if (dir == NULL) {
		test_end();
		i_info("compose: no corpus at hand: skipped");
		return;
	}
	while ((d = readdir(dir)) != NULL) T_BEGIN {
		if (test_is_message(d->d_name)) {
			test_corpus_file(t_strconcat(dir_path, "/", d->d_name,
						     NULL));
			count++;
		}
	} T_END;
	(void)closedir(dir);
	test_assert(count > 0);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_compose_table,
		test_compose_headers,
		test_compose_nonsense,
		test_compose_limits,
		test_compose_huge_header,
		test_compose_prefixes,
		test_compose_corpus,
		NULL
	};

	return test_run(test_functions);
}
