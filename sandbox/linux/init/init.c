/*
 * wick-init is the first process of every sandbox (PID 1 of its PID namespace). It
 * knows no policy: package linux composes scripts of system calls and this program
 * runs them, in itself to build the sandbox and in a new child to start a command.
 * Between those it reaps, reports how commands ended, and signals everybody on
 * request. It ends when its control socket does, and the kernel then kills whatever
 * is left in the namespace, so nothing in a sandbox outlives the server.
 *
 * Freestanding: no libc, no allocation, no signal handlers. A waiting one costs a few
 * pages. The requests, replies and the layout of a script are those of wire.go.
 *
 * It can be run in a second way, as "enter" (see enter below).
 */

typedef unsigned char u8;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long u64;
typedef long i64;

#if defined(__x86_64__)
enum {
	SYS_close = 3, SYS_mmap = 9, SYS_munmap = 11, SYS_rt_sigaction = 13,
	SYS_rt_sigprocmask = 14, SYS_sendmsg = 46, SYS_recvmsg = 47, SYS_clone = 56,
	SYS_execve = 59, SYS_wait4 = 61, SYS_kill = 62, SYS_mount = 165,
	SYS_exit_group = 231, SYS_openat = 257, SYS_ppoll = 271, SYS_unshare = 272,
	SYS_signalfd4 = 289, SYS_read = 0, SYS_write = 1, SYS_fcntl = 72,
	SYS_getpid = 39,
};

static i64 sys(i64 nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	i64 ret;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* The kernel enters with argc at the stack's top. */
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");

#elif defined(__aarch64__)
enum {
	SYS_close = 57, SYS_mmap = 222, SYS_munmap = 215, SYS_rt_sigaction = 134,
	SYS_rt_sigprocmask = 135, SYS_sendmsg = 211, SYS_recvmsg = 212, SYS_clone = 220,
	SYS_execve = 221, SYS_wait4 = 260, SYS_kill = 129, SYS_mount = 40,
	SYS_exit_group = 94, SYS_openat = 56, SYS_ppoll = 73, SYS_unshare = 97,
	SYS_signalfd4 = 74, SYS_read = 63, SYS_write = 64, SYS_fcntl = 25,
	SYS_getpid = 172,
};

static i64 sys(i64 nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 x8 __asm__("x8") = (u64)nr;
	register u64 x0 __asm__("x0") = a;
	register u64 x1 __asm__("x1") = b;
	register u64 x2 __asm__("x2") = c;
	register u64 x3 __asm__("x3") = d;
	register u64 x4 __asm__("x4") = e;
	register u64 x5 __asm__("x5") = f;
	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return (i64)x0;
}

__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tbl start\n");

#else
#error "wick-init knows x86_64 and aarch64"
#endif

enum {
	EPERM = 1, EPROTO = 71, EAGAIN = 11, EINTR = 4, ESRCH = 3, ENOMEM = 12,
	SIGKILL = 9, SIGCHLD = 17, SIG_SETMASK = 2,
	CLONE_PIDFD = 0x1000,
	WNOHANG = 1, WALL = 0x40000000,
	PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2,
	SOL_SOCKET = 1, SCM_RIGHTS = 1,
	MSG_CMSG_CLOEXEC = 0x40000000, MSG_NOSIGNAL = 0x4000,
	O_CLOEXEC = 02000000, O_NONBLOCK = 04000, O_WRONLY = 1,
	F_SETFD = 2, FD_CLOEXEC = 1, F_DUPFD_CLOEXEC = 1030,
	POLLIN = 1,
	CONTROL = 3, /* the control socket's descriptor */
	ABOVE = 300, /* a command's own descriptors are below */
	MAX_FDS = 250, /* the kernel passes at most 253 in a message */
	MAX_COMMANDS = 256,
};

/* Kinds of requests and replies. */
enum {
	RUN = 1, /* run a script here; fds[0] holds it */
	START = 2, /* make a child that waits for a script on fds[0], a socket */
	SIGNAL = 3, /* kill(-1, arg); for SIGKILL the reply comes when nobody is left */
	LAST = 4, /* keep a script to run before exiting; fds[0] holds it */
	NOTHING = -1, END = -2, /* what comes from receive instead */

	DONE = 1, /* to RUN, LAST and SIGNAL: a = operation that failed, b = errno or 0 */
	STARTED = 2, /* to START: a = pid in here, b = errno or 0, with a pidfd */
	EXITED = 3, /* a = pid in here, b = wait status */
};

struct message {
	i32 kind;
	u32 id;
	i32 a, b; /* a request's argument, and its script's size */
};

/* A system call of a script. */
struct op {
	u32 nr;
	u32 flags;
	u8 kind[8]; /* how to read each argument */
	u64 arg[6];
	i64 want; /* with WANT the only good result; afterwards the result */
};

enum {
	MAY_FAIL = 1, WANT = 2, /* flags */
	VALUE = 0, RESULT = 1, FILE = 2, /* kinds: itself, an earlier op's result, a passed descriptor */
};

/* A script starts with this; then ops, then relocations, then data. */
struct script {
	u32 ops, relocs; /* how many */
};

struct iovec { void *base; u64 len; };

struct msghdr {
	void *name;
	u32 namelen, pad;
	struct iovec *iov;
	u64 iovlen;
	void *control;
	u64 controllen;
	u32 flags, pad2;
};

struct cmsg {
	u64 len;
	i32 level, type;
	i32 fds[MAX_FDS];
};

struct pollfd { i32 fd; short events, revents; };

static i32 commands[MAX_COMMANDS]; /* pids of started commands, 0 where free */
static u32 killing; /* id of the SIGKILL request in progress, 0 when none */
static struct script *last; /* what to run before exiting */
static i32 last_fds[MAX_FDS];

static void close_fd(i32 fd) { sys(SYS_close, (u64)fd, 0, 0, 0, 0, 0); }

static void die(int code)
{
	for (;;)
		sys(SYS_exit_group, (u64)code, 0, 0, 0, 0, 0);
}

static void reply(i32 kind, u32 id, i32 a, i32 b, i32 fd)
{
	struct message m = { kind, id, a, b };
	struct iovec iov = { &m, sizeof m };
	struct { u64 len; i32 level, type, fd, pad; } c = { 20, SOL_SOCKET, SCM_RIGHTS, fd, 0 };
	struct msghdr h = { 0, 0, 0, &iov, 1, 0, 0, 0, 0 };
	if (fd >= 0) {
		h.control = &c;
		h.controllen = sizeof c;
	}
	i64 n;
	do
		n = sys(SYS_sendmsg, CONTROL, (u64)&h, MSG_NOSIGNAL, 0, 0, 0);
	while (n == -EINTR);
	/* A reply that can't be sent has no reader: the server is gone, and the next
	 * receive says so. */
}

static struct script *map(i32 fd, u64 size)
{
	i64 p = sys(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, (u64)fd, 0);
	if (p < 0 && p > -4096)
		return 0;
	struct script *s = (struct script *)p;
	u64 *reloc = (u64 *)((u8 *)s + sizeof *s + s->ops * sizeof(struct op));
	for (u32 i = 0; i < s->relocs; i++)
		*(u64 *)((u8 *)s + reloc[i]) += (u64)s;
	return s;
}

/* run returns 0, or an errno with the index of the call it is from in *at. */
static i32 run(struct script *s, const i32 *fds, i32 *at)
{
	struct op *ops = (struct op *)(s + 1);
	for (u32 i = 0; i < s->ops; i++) {
		struct op *o = &ops[i];
		u64 v[6];
		for (int j = 0; j < 6; j++) {
			v[j] = o->arg[j];
			if (o->kind[j] == RESULT)
				v[j] = (u64)ops[v[j]].want;
			else if (o->kind[j] == FILE)
				v[j] = (u64)fds[v[j]];
		}
		i64 r = sys(o->nr, v[0], v[1], v[2], v[3], v[4], v[5]);
		i32 err = r < 0 && r > -4096 ? (i32)-r : 0;
		if (!err && (o->flags & WANT) && r != o->want)
			err = EPROTO;
		o->want = r;
		if (err && !(o->flags & MAY_FAIL)) {
			*at = (i32)i;
			return err;
		}
	}
	return 0;
}

/*
 * receive takes a message with descriptors and returns how many came, or -1 when there
 * is none: at the end of the conversation, or when the wait was interrupted.
 */
static int receive(i32 fd, struct message *m, struct cmsg *c)
{
	struct iovec iov = { m, sizeof *m };
	struct msghdr h = { 0, 0, 0, &iov, 1, c, sizeof *c, 0, 0 };
	i64 n = sys(SYS_recvmsg, (u64)fd, (u64)&h, MSG_CMSG_CLOEXEC, 0, 0, 0);
	if (n == -EINTR || n == -EAGAIN) {
		m->kind = NOTHING;
		return -1;
	}
	if (n != sizeof *m) {
		m->kind = END;
		return -1;
	}
	return h.controllen >= 16 ? (int)((c->len - 16) / 4) : 0;
}

/*
 * child waits for the script of a command and runs it, up to its execve; what comes back
 * is a failure. The descriptors move out of the way of those the command is to have.
 */
static void child(i32 report)
{
	struct message m;
	struct cmsg c;
	int nfds;
	do
		nfds = receive(report, &m, &c);
	while (m.kind == NOTHING);
	if (m.kind == END)
		die(0);
	u64 size = (u64)m.b;
	i32 err = nfds > 0 ? 0 : EPROTO;
	m = (struct message){ DONE, 0, -1, 0 };
	for (int i = -1; i < nfds && !err; i++) {
		i32 *fd = i < 0 ? &report : &c.fds[i];
		i64 high = sys(SYS_fcntl, (u64)*fd, F_DUPFD_CLOEXEC, ABOVE, 0, 0, 0);
		if (high < 0)
			err = (i32)-high;
		else
			*fd = (i32)high;
	}
	if (!err) {
		struct script *s = map(c.fds[0], size);
		err = s ? run(s, c.fds, &m.a) : ENOMEM;
	}
	m.b = err;
	sys(SYS_write, (u64)report, (u64)&m, sizeof m, 0, 0, 0);
	die(127);
}

static void start_command(struct message *req, i32 report)
{
	int slot = 0;
	while (slot < MAX_COMMANDS && commands[slot])
		slot++;
	if (slot == MAX_COMMANDS) {
		reply(STARTED, req->id, 0, EAGAIN, -1);
		return;
	}
	i32 pidfd = -1;
	i64 pid = sys(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, (u64)&pidfd, 0, 0, 0);
	if (pid == 0)
		child(report);
	if (pid < 0) {
		reply(STARTED, req->id, 0, (i32)-pid, -1);
		return;
	}
	commands[slot] = (i32)pid;
	reply(STARTED, req->id, (i32)pid, 0, pidfd);
	close_fd(pidfd);
}

/* kill_all signals everybody and says so when nobody is left to be signalled. */
static void kill_all(void)
{
	if (sys(SYS_kill, (u64)-1, SIGKILL, 0, 0, 0, 0) == -ESRCH) {
		reply(DONE, killing, 0, 0, -1);
		killing = 0;
	}
}

static void reap(void)
{
	for (;;) {
		i32 status = 0;
		i64 pid = sys(SYS_wait4, (u64)-1, (u64)&status, WNOHANG | WALL, 0, 0, 0);
		if (pid <= 0)
			break;
		for (int i = 0; i < MAX_COMMANDS; i++)
			if (commands[i] == pid) {
				commands[i] = 0;
				reply(EXITED, 0, (i32)pid, status, -1);
			}
	}
	if (killing)
		kill_all();
}

static void finish(void)
{
	i32 at;
	if (last)
		run(last, last_fds, &at);
	die(0);
}

/* serve takes one request. */
static void serve(void)
{
	struct message req;
	struct cmsg c;
	int nfds = receive(CONTROL, &req, &c);
	if (req.kind == NOTHING)
		return;
	if (req.kind == END)
		finish();

	i32 at = 0, err = EPROTO;
	switch (req.kind) {
	case RUN: {
		struct script *s = nfds > 0 ? map(c.fds[0], (u64)req.b) : 0;
		if (s) {
			err = run(s, c.fds, &at);
			sys(SYS_munmap, (u64)s, (u64)req.b, 0, 0, 0, 0);
		}
		reply(DONE, req.id, at, err, -1);
		break;
	}
	case START:
		if (nfds > 0)
			start_command(&req, c.fds[0]);
		else
			reply(STARTED, req.id, 0, EPROTO, -1);
		break;
	case SIGNAL:
		if (sys(SYS_getpid, 0, 0, 0, 0, 0, 0) != 1) { /* "everybody" would be the machine */
			reply(DONE, req.id, 0, EPERM, -1);
			break;
		}
		if (req.a == SIGKILL) {
			killing = req.id;
			kill_all();
			break;
		}
		err = (i32)-sys(SYS_kill, (u64)-1, (u64)req.a, 0, 0, 0, 0);
		reply(DONE, req.id, 0, err == ESRCH ? 0 : err, -1);
		break;
	case LAST:
		if (nfds > 0 && !last && (last = map(c.fds[0], (u64)req.b))) {
			for (int i = 0; i < nfds; i++)
				last_fds[i] = c.fds[i];
			nfds = 0; /* they stay open */
			err = 0;
		}
		reply(DONE, req.id, 0, err, -1);
		break;
	default:
		reply(DONE, req.id, 0, err, -1);
	}
	for (int i = 0; i < nfds; i++)
		close_fd(c.fds[i]);
}

static u64 length(const char *s)
{
	u64 n = 0;
	while (s[n])
		n++;
	return n;
}

static void write_file(const char *path, const char *text)
{
	i64 fd = sys(SYS_openat, (u64)-100, (u64)path, O_WRONLY | O_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		return;
	sys(SYS_write, (u64)fd, (u64)text, length(text), 0, 0, 0);
	close_fd((i32)fd);
}

/*
 * enter is for a server without privileges. It moves this process into a user and a
 * mount namespace of its own, where it is root, and goes on as the program it is given:
 *
 *	enter UID_MAP GID_MAP PROGRAM ARGV0 ARG…
 *
 * A Go program can't do this itself, because a process with several threads can't
 * change its user namespace. Where a step fails the program is run all the same: it
 * finds out what it can do by doing it, and tells its user.
 */
static void enter(char **argv, char **envp)
{
	enum { CLONE_NEWNS = 0x20000, CLONE_NEWUSER = 0x10000000, MS_REC = 0x4000, MS_SLAVE = 0x80000 };
	if (sys(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS, 0, 0, 0, 0, 0) == 0) {
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/uid_map", argv[1]);
		write_file("/proc/self/gid_map", argv[2]);
		sys(SYS_mount, (u64)"none", (u64)"/", 0, MS_REC | MS_SLAVE, 0, 0);
	}
	sys(SYS_execve, (u64)argv[3], (u64)&argv[4], (u64)envp, 0, 0, 0);
	die(127);
}

__attribute__((used, noreturn)) void start(u64 *stack)
{
	u64 argc = stack[0];
	char **argv = (char **)(stack + 1);
	if (argc > 4 && argv[0][0] == 'e')
		enter(argv, argv + argc + 1);

	/* Ignored signals survive an exec; a command gets the defaults. */
	struct { u64 handler, flags, restorer, mask; } def = { 0, 0, 0, 0 };
	for (u64 sig = 1; sig <= 64; sig++)
		sys(SYS_rt_sigaction, sig, (u64)&def, 0, 8, 0, 0);
	u64 all = ~0UL, chld = 1UL << (SIGCHLD - 1);
	sys(SYS_rt_sigprocmask, SIG_SETMASK, (u64)&all, 0, 8, 0, 0);
	i64 sfd = sys(SYS_signalfd4, (u64)-1, (u64)&chld, 8, O_CLOEXEC | O_NONBLOCK, 0, 0);
	if (sfd < 0)
		die(126);

	sys(SYS_fcntl, CONTROL, F_SETFD, FD_CLOEXEC, 0, 0, 0);

	struct pollfd fds[2] = { { CONTROL, POLLIN, 0 }, { (i32)sfd, POLLIN, 0 } };
	for (;;) {
		i64 n = sys(SYS_ppoll, (u64)fds, 2, 0, 0, 0, 0);
		if (n <= 0)
			continue;
		if (fds[1].revents) {
			u8 info[128 * 4];
			sys(SYS_read, (u64)sfd, (u64)info, sizeof info, 0, 0, 0);
			reap();
		}
		if (fds[0].revents)
			serve();
	}
}
