/* mcq: the verbs. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tool/tool.h"
#include "tool/verbs.h"

static int version(int argc, char **argv);
static int completion(int argc, char **argv);

static const struct tool_verb verbs[] = {
    {"pub", mcq_tool_talk, "ENDPOINT [PART...]", "Publishes messages; an endpoint binds",
     "  mcq pub tcp://127.0.0.1:5555 --wait-peers 1 temp.oslo 7.2\n"
     "  date | mcq pub ipc:///tmp/dates --wait-peers 1\n"
     "  mcq pub --connect tcp://broker:5559 --wait-peers 1 -f picture.png\n",
     TOOL_HAS_SOCKET | TOOL_HAS_INPUT, true},
    {"sub", mcq_tool_talk, "ENDPOINT", "Shows what publishers send; an endpoint connects",
     "  mcq sub tcp://127.0.0.1:5555\n"
     "  mcq sub tcp://127.0.0.1:5555 --topic temp. -n 2\n"
     "  mcq sub tcp://127.0.0.1:5555 --json | jq .\n",
     TOOL_HAS_SOCKET | TOOL_HAS_OUTPUT | TOOL_HAS_TOPICS, false},
    {"req", mcq_tool_talk, "ENDPOINT [PART...]", "Asks, and shows the answer; an endpoint connects",
     "  mcq req tcp://127.0.0.1:5556 ping --timeout 1s\n"
     "  mcq req tcp://127.0.0.1:5556 ping -n 10\n"
     "  mcq req tcp://127.0.0.1:5556 < questions.txt\n",
     TOOL_HAS_SOCKET | TOOL_HAS_INPUT | TOOL_HAS_OUTPUT, false},
    {"rep", mcq_tool_talk, "ENDPOINT [PART...]",
     "Answers: a command's output, these parts, or the question; an endpoint binds",
     "  mcq rep tcp://127.0.0.1:5556 pong\n"
     "  mcq rep tcp://127.0.0.1:5556 --exec 'jq -c .'\n"
     "  mcq rep tcp://127.0.0.1:5556 -n 1\n",
     TOOL_HAS_SOCKET | TOOL_HAS_OUTPUT | TOOL_HAS_EXEC, true},
    {"push", mcq_tool_talk, "ENDPOINT [PART...]", "Hands out messages; an endpoint binds",
     "  mcq push tcp://127.0.0.1:5557 job 1\n"
     "  mcq push tcp://127.0.0.1:5557 < jobs.txt\n"
     "  mcq push tcp://127.0.0.1:5557 --rate 50000 --size 64 -n 1000000\n",
     TOOL_HAS_SOCKET | TOOL_HAS_INPUT, true},
    {"pull", mcq_tool_talk, "ENDPOINT", "Shows what is handed out; an endpoint connects",
     "  mcq pull tcp://127.0.0.1:5557\n"
     "  mcq pull tcp://127.0.0.1:5557 --stat\n"
     "  mcq pull --bind tcp://*:5557 -n 1 --format raw > job\n",
     TOOL_HAS_SOCKET | TOOL_HAS_OUTPUT, false},
    {"pair", mcq_tool_talk, "ENDPOINT [PART...]",
     "Sends what there is to send, and shows what comes; an endpoint connects",
     "  mcq pair --bind tcp://127.0.0.1:5558\n"
     "  mcq pair tcp://127.0.0.1:5558\n"
     "  mcq pair tcp://127.0.0.1:5558 hello -n 1\n",
     TOOL_HAS_SOCKET | TOOL_HAS_INPUT | TOOL_HAS_OUTPUT, false},
    {"dealer", mcq_tool_talk, "ENDPOINT [PART...]",
     "Sends what there is to send, and shows what comes; an endpoint connects",
     "  mcq dealer tcp://127.0.0.1:5560 --id me hello -n 1\n"
     "  mcq dealer tcp://127.0.0.1:5556 '' ping -n 1      # to a REP\n"
     "  mcq dealer tcp://127.0.0.1:5560\n",
     TOOL_HAS_SOCKET | TOOL_HAS_INPUT | TOOL_HAS_OUTPUT, false},
    {"router", mcq_tool_talk, "ENDPOINT [PART...]",
     "Shows messages and who sent them, and may answer; an endpoint binds",
     "  mcq router tcp://127.0.0.1:5560\n"
     "  mcq router tcp://127.0.0.1:5560 welcome\n"
     "  mcq router tcp://127.0.0.1:5560 --format hex -n 1\n",
     TOOL_HAS_SOCKET | TOOL_HAS_OUTPUT | TOOL_HAS_EXEC, true},
    {"proxy", mcq_tool_proxy, "SIDE SIDE", "Passes messages between two sides, both bound",
     "  mcq proxy --xsub tcp://*:5559 --xpub tcp://*:5560 --capture day.mcqcap\n"
     "  mcq proxy --router tcp://*:5559 --dealer tcp://*:5560\n"
     "  mcq proxy --pull tcp://*:5559 --push ipc:///tmp/jobs\n",
     TOOL_HAS_SOCKET | TOOL_HAS_SIDES, true},
    {"monitor", mcq_tool_monitor, "ENDPOINT",
     "Shows what connections do at a socket of its own; an endpoint binds",
     "  mcq monitor --bind tcp://*:5555\n"
     "  mcq monitor --bind tcp://*:5555 --json | jq .event\n"
     "  mcq monitor --connect tcp://127.0.0.1:5555 --type sub\n",
     TOOL_HAS_SOCKET | TOOL_HAS_TYPE | TOOL_HAS_JSON, true},
    {"ping", mcq_tool_ping, "ENDPOINT",
     "Says who is there, what it speaks, and how long it takes to answer; takes no messages",
     "  mcq ping tcp://127.0.0.1:5555\n"
     "  mcq ping tcp://127.0.0.1:5555 -n 100 --json\n"
     "  mcq ping tcp://127.0.0.1:5556 --curve my.key --server-key 'PUBLIC KEY'\n",
     TOOL_HAS_PING | TOOL_HAS_JSON, false},
    {"keygen", mcq_tool_keygen, "FILE",
     "Makes CURVE keys: FILE has both and is for you alone, FILE.pub the public one",
     "  mcq keygen server.key\n"
     "  mcq rep tcp://*:5556 --curve server.key\n"
     "  mcq req tcp://127.0.0.1:5556 ping --curve my.key --server-key 'PUBLIC KEY'\n",
     0, false},
    {"decode", mcq_tool_decode, "[FILE]",
     "Explains, frame by frame, what one side of a connection has sent",
     "  mcq decode client.raw\n"
     "  tshark -r day.pcap -q -z follow,tcp,raw,0 | grep -v '^\t' | xxd -r -p | mcq decode\n"
     "  printf '\\377\\0\\0\\0\\0\\0\\0\\0\\0\\177\\3' | mcq decode\n",
     0, false},
    {"run", mcq_tool_run, "-- PROGRAM [ARGUMENT...], or run --check FILE...",
     "Runs a ZeroMQ program on this library; --check says whether it can",
     "  mcq run -- python3 app.py\n"
     "  mcq run --check /usr/lib/x86_64-linux-gnu/libczmq.so.4\n"
     "  mcq run --check ./app\n",
     0, false},
    {"doctor", mcq_tool_doctor, "",
     "Looks whether this machine lets the library do its work, and says what to do",
     "  mcq doctor\n", 0, false},
    {"version", version, "", "Says the version of this program, and what it speaks",
     "  mcq version\n", 0, false},
    {"completion", completion, "bash", "Prints a script that completes its words in a shell",
     "  . <(mcq completion bash)\n", 0, false},
};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

const struct tool_verb *mcq_tool_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* --- verbs of a line ------------------------------------------------------------------------- */

static int version(int argc, char **argv)
{
    int major;
    int minor;
    int patch;

    (void) argc;
    (void) argv;
    mcq_version(&major, &minor, &patch);
    (void) printf("monocoque %d.%d.%d\nZMTP 3.1 (and 3.0, 2.0, 1.0), NULL, PLAIN, CURVE\n", major,
                  minor, patch);
    return TOOL_DONE;
}

/* A verb, then its options; files otherwise. */
static int completion(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[1], "bash") != 0) {
        (void) mcq_tool_fail("completion: it knows bash; see mcq completion --help");
        return TOOL_USAGE;
    }
    (void) puts("_mcq() {\n"
                "    local words=''\n"
                "    if ((COMP_CWORD == 1)); then");
    (void) fputs("        words='", stdout);
    for (size_t i = 0; i < VERB_COUNT; i++)
        (void) printf("%s ", verbs[i].name);
    (void) puts("'\n"
                "    elif [[ $2 == -* ]]; then\n"
                "        words=$(mcq completion --options \"${COMP_WORDS[1]}\" 2>/dev/null)\n"
                "    fi\n"
                "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$2\")\n"
                "}\n"
                "complete -o default -F _mcq mcq");
    return TOOL_DONE;
}

/* --- words ----------------------------------------------------------------------------------- */

int mcq_tool_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void) fputs("mcq: ", stderr);
    (void) vfprintf(stderr, format, arguments);
    (void) fputc('\n', stderr);
    va_end(arguments);
    return TOOL_FAILED;
}

static int usage(FILE *stream, int status)
{
    (void) fputs("usage: mcq VERB ...      mcq VERB --help says more\n\n", stream);
    for (size_t i = 0; i < VERB_COUNT; i++)
        (void) fprintf(stream, "  %-11s%s\n", verbs[i].name, verbs[i].what);
    return status;
}

int main(int argc, char **argv)
{
    const struct tool_verb *verb = argc > 1 ? mcq_tool_verb(argv[1]) : NULL;

    if (argc < 2)
        return usage(stderr, TOOL_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout, TOOL_DONE);
    if (verb == NULL) {
        (void) mcq_tool_fail("'%s' is no verb; see mcq --help", argv[1]);
        return TOOL_USAGE;
    }
    if (argc > 2 && (strcmp(argv[2], "--help") == 0)) {
        mcq_tool_help(verb);
        return TOOL_DONE;
    }
    if (verb->run == completion && argc == 4 && strcmp(argv[2], "--options") == 0 &&
        mcq_tool_verb(argv[3]) != NULL) {
        mcq_tool_list_options(mcq_tool_verb(argv[3]));
        return TOOL_DONE;
    }
    return verb->run(argc - 1, argv + 1);
}
