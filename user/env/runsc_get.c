/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Both of Debian's releases of gVisor on one machine: one is installed, the other is only unpacked. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "env/dockerd.h"
#include "env/tool.h"
#include "env/tree.h"

#define KEYRING	    "/usr/share/keyrings/debian-archive-keyring.gpg"
#define VERSION_MS  10000
#define DOWNLOAD_MS 300000

struct suite {
	const char *name, *release; /* of runsc in it, as "runsc --version" tells */
};

static const struct suite suites[] = { { "bookworm", "20221219" }, { "trixie", "20240729" } };

static const struct suite *find_suite(const char *name)
{
	for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++)
		if (!strcmp(suites[i].name, name))
			return &suites[i];
	return NULL;
}

/* Is this machine's Debian the release @suite? */
static bool is_own(const char *suite)
{
	FILE *f = fopen("/etc/os-release", "re");
	char line[256], want[64];
	bool own = false;

	snprintf(want, sizeof(want), "VERSION_CODENAME=%s", suite);
	while (f && !own && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = 0;
		own = !strcmp(line, want);
	}
	if (f)
		fclose(f);
	return own;
}

/* Is the program at @path runsc of that release? */
static bool is_release(const char *path, const char *release)
{
	char *argv[] = { (char *)path, "--version", NULL }, *out = NULL;
	bool yes = !access(path, X_OK) && !sg_tool_run("runsc", argv, VERSION_MS, &out, NULL) &&
		   strstr(out, release);

	free(out);
	return yes;
}

static int make_dirs(const char *base, const char *const *sub)
{
	char path[PATH_MAX];

	for (; *sub; sub++) {
		if (snprintf(path, sizeof(path), "%s%s", base, *sub) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* Where this machine's own apt gets Debian from. */
static int find_mirror(char *ret, size_t cap, struct sg_err *err)
{
	char *argv[] = { "apt-get",	  "indextargets",	  "--format", "$(REPO_URI)", "Origin: Debian",
			 "Label: Debian", "Created-By: Packages", NULL };
	char *out = NULL;
	int rc = sg_tool_run("apt-get", argv, VERSION_MS * 3, &out, err);
	size_t len;

	if (rc)
		return rc < 0 ? rc : -EIO;
	len = strcspn(out, "\n");
	if (!len || len >= cap || strcspn(out, " \t[]\"\\") < len)
		rc = sg_err_set(
			err, -ENOENT,
			"apt knows no Debian mirror on this machine: name one in /etc/apt/sources.list "
			"and run apt-get update");
	else
		snprintf(ret, cap, "%.*s", (int)len, out);
	free(out);
	return rc;
}

/* A configuration for apt that reads and writes nothing of the machine's but the list of what is installed. */
static int write_config(const char *top, const char *suite, const char *mirror, struct sg_err *err)
{
	char path[PATH_MAX + 16];
	FILE *f;
	int bad;

	snprintf(path, sizeof(path), "%s/sources.list", top);
	f = fopen(path, "we");
	if (f)
		fprintf(f, "deb [signed-by=" KEYRING "] %s %s main\n", mirror, suite);
	bad = !f || ferror(f);
	if ((f && fclose(f)) || bad)
		return sg_err_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), "%s/apt.conf", top);
	f = fopen(path, "we");
	if (f)
		fprintf(f,
			"Dir::State::lists \"%1$s/lists\";\nDir::Cache \"%1$s/cache\";\n"
			"Dir::Etc::sourcelist \"%1$s/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n"
			"Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n"
			/* packages and nothing else: a tenth of the download */
			"Acquire::Languages \"none\";\n"
			"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
			"Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n"
			"APT::Sandbox::User \"root\";\n"
			/* hooks would touch the machine's own lists */
			"#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
			"#clear APT::Update::Pre-Invoke;\n",
			top);
	bad = !f || ferror(f);
	if ((f && fclose(f)) || bad)
		return sg_err_set(err, -errno, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static int run(const char *what, char *const argv[], struct sg_err *err)
{
	int rc = sg_tool_run(what, argv, DOWNLOAD_MS, NULL, err);

	return rc > 0 ? -EIO : rc;
}

/* The one package that is in @dir; 0 or -ENOENT */
static int find_package(const char *dir, char *ret)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	int rc = -ENOENT;

	while (d && rc && (de = readdir(d))) {
		size_t len = strlen(de->d_name);

		if (len > 4 && !strcmp(de->d_name + len - 4, ".deb") &&
		    snprintf(ret, PATH_MAX, "%s/%s", dir, de->d_name) < PATH_MAX)
			rc = 0;
	}
	if (d)
		closedir(d);
	return rc;
}

/* Fetch and unpack below @top, which exists and is empty. */
static int fetch(const char *top, const char *suite, struct sg_err *err)
{
	static const char *const sub[] = {
		"/lists", "/lists/partial", "/cache", "/cache/archives", "/cache/archives/partial", "/get",
		NULL
	};
	char mirror[1024], conf[PATH_MAX], get[PATH_MAX], deb[PATH_MAX], root[PATH_MAX], want[64];
	char *update[] = { "apt-get", "-c", conf, "-q", "update", "--error-on=any", NULL };
	/* apt-get downloads into the folder in which it runs */
	char *download[] = { "sh", "-c", "cd \"$1\" && exec apt-get -c \"$2\" -q download \"$3\"",
			     "sh", get,	 conf,
			     want, NULL };
	char *unpack[] = { "dpkg-deb", "-x", deb, root, NULL };
	int rc = make_dirs(top, sub);

	if (rc)
		return sg_err_set(err, rc, "cannot make folders in %s: %s", top, strerror(-rc));
	if (access(KEYRING, R_OK))
		return sg_err_set(err, -ENOENT,
				  "%s is missing: install the Debian package debian-archive-keyring",
				  KEYRING);
	snprintf(conf, sizeof(conf), "%.4000s/apt.conf", top);
	snprintf(get, sizeof(get), "%.4000s/get", top);
	snprintf(root, sizeof(root), "%.4000s/root", top);
	snprintf(want, sizeof(want), "runsc/%s", suite);
	rc = find_mirror(mirror, sizeof(mirror), err);
	if (!rc)
		rc = write_config(top, suite, mirror, err);
	if (!rc)
		rc = run("apt-get update", update, err);
	if (!rc)
		rc = run("apt-get download", download, err);
	if (!rc && find_package(get, deb))
		rc = sg_err_set(err, -ENOENT, "apt-get downloaded no package runsc of %s", suite);
	return rc ? rc : run("dpkg-deb", unpack, err);
}

/* The other release, into @dir/runsc-SUITE; @ret is the path there */
static int get_unpacked(const struct suite *s, const char *dir, char *ret, struct sg_err *err)
{
	char top[PATH_MAX], from[PATH_MAX + 32], real[PATH_MAX];
	struct sg_err why = { 0 };
	int rc;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return sg_err_set(err, -errno, "cannot make the folder %s: %s", dir, strerror(errno));
	if (!realpath(dir, real) ||
	    snprintf(ret, PATH_MAX, "%.3900s/runsc-%s", real, s->name) >= PATH_MAX - 32)
		return sg_err_set(err, -ENAMETOOLONG, "cannot use the folder %.200s", dir);
	if (is_release(ret, s->release))
		return 0;
	/* apt's configuration cannot hold these */
	if (strpbrk(real, "\"\\\n;"))
		return sg_err_set(err, -EINVAL, "the path %.200s has a quote or a backslash in it", real);
	snprintf(top, sizeof(top), "%.3900s/runsc-%s.XXXXXX", real, s->name);
	if (!mkdtemp(top))
		return sg_err_set(err, -errno, "cannot make a folder in %s: %s", real, strerror(errno));
	rc = fetch(top, s->name, &why);
	snprintf(from, sizeof(from), "%s/root/usr/bin/runsc", top);
	if (rc)
		sg_err_set(err, rc == -ENOMEM ? rc : -ENOENT, "cannot fetch Debian %s's gVisor: %.250s",
			   s->name, why.msg);
	else if (!is_release(from, s->release))
		rc = sg_err_set(err, -ENOENT, "Debian %s's package runsc is no longer release %s", s->name,
				s->release);
	else if (rename(from, ret))
		rc = sg_err_set(err, -errno, "cannot put runsc to %s: %s", ret, strerror(errno));
	sg_tree_remove(top);
	return !rc || rc == -ENOMEM ? rc : -ENOENT;
}

int sg_runsc_get(const char *suite, const char *dir, char *ret, struct sg_err *err)
{
	const struct suite *s = find_suite(suite);
	struct sg_err why = { 0 };

	if (!s)
		return sg_err_set(err, -EINVAL,
				  "no Debian release \"%s\" with a known gVisor: bookworm or trixie", suite);
	if (!sg_tool_find("runsc", "runsc", ret, &why) && is_release(ret, s->release))
		return 0;
	/* what this machine's own release has is one command away, and stays for the next time */
	if (why.code && is_own(s->name))
		return sg_err_set(err, -ENOENT, "%s", why.msg);
	return get_unpacked(s, dir, ret, err);
}
