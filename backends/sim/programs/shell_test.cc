// The mini shell, through Processes::run_in_root on a busybox root.
#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "backends/sim/programs/arithmetic.h"
#include "backends/sim/programs/launch.h"
#include "backends/sim/programs/pattern.h"
#include "backends/sim/programs/shell_code.h"
#include "backends/sim/world.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/processes.h"

namespace twinhull::sim {
namespace {

constexpr const char* kRoot = "/vz/template/cache/busybox";

struct Shell {
  World world{1};
  Shell() {
    NodeSpec node;
    node.name = "n1";
    BOOST_REQUIRE(world.add_node(node).has_value());
    const Status installed = world.install_template("n1", kRoot, {"busybox"});
    BOOST_REQUIRE_MESSAGE(installed.has_value(), (installed ? "" : installed.error().message()));
  }
  ExecOutcome run(const std::string& script, const std::string& input = "") {
    ExecSpec spec;
    spec.argv = {"sh", "-c", script, "sh", "one", "two words"};
    spec.input = input;
    spec.timeout = seconds(1000);
    auto outcome = world.kernel("n1").processes().run_in_root(kRoot, spec);
    BOOST_REQUIRE_MESSAGE(outcome.has_value(), (outcome ? "" : outcome.error().message()));
    const Status good = world.check();
    BOOST_TEST_REQUIRE(good.has_value(), (good ? "" : good.error().message()));
    return *outcome;
  }
  void expect(const std::string& script, const std::string& out, int status = 0) {
    const ExecOutcome outcome = run(script);
    BOOST_TEST_CONTEXT(script) {
      BOOST_TEST(outcome.out == out);
      BOOST_TEST(outcome.status.shell_code() == status);
      if (outcome.out != out) BOOST_TEST_MESSAGE(outcome.err);
    }
  }
};

BOOST_FIXTURE_TEST_SUITE(shell, Shell)

BOOST_AUTO_TEST_CASE(words_and_quotes) {
  expect("echo hello   world", "hello world\n");
  expect("echo 'a  b' \"c  d\" e\\ f", "a  b c  d e f\n");
  expect("A='x  y'; echo $A; echo \"$A\"", "x y\nx  y\n");
  expect("echo \"\" '' end", "  end\n");
  expect("echo $#: $1, $2, $0", "2: one, two words, sh\n");
  expect("for i in \"$@\"; do echo \"[$i]\"; done", "[one]\n[two words]\n");
  expect("for i in $@; do echo \"[$i]\"; done", "[one]\n[two]\n[words]\n");
  expect("for i; do echo $i; done", "one\ntwo words\n");
  expect("echo a # comment\necho b", "a\nb\n");
  expect("echo a\\\nb", "ab\n");
}

BOOST_AUTO_TEST_CASE(parameters) {
  expect("echo ${X:-w} ${X-w} ${X:+y}; X=1; echo ${X:-w} ${X:+y}", "w w\n1 y\n");
  expect("F=/a/b/c.tar.gz; echo ${F##*/} ${F#*/} ${F%.*} ${F%%.*}", "c.tar.gz a/b/c.tar.gz /a/b/c.tar /a/b/c\n");
  expect("X=abc; echo ${#X} ${X}d", "3 abcd\n");
  expect("false; echo $?; true; echo $?", "1\n0\n");
  expect(": ${Y:=set}; echo $Y", "set\n");
  expect("set -- a b c; shift; echo $1 $#", "b 2\n");
  expect("echo $((1 + 2 * 3)) $(( (1+2)*3 )) $((7 % 4)) $((2 < 3))", "7 9 3 1\n");
  expect("i=0; while [ $i -lt 3 ]; do i=$((i + 1)); done; echo $i", "3\n");
  expect("unset Z; set -u; echo $Z; echo no", "", 2);
}

BOOST_AUTO_TEST_CASE(control) {
  expect("if true; then echo a; else echo b; fi", "a\n");
  expect("if false; then echo a; elif true; then echo c; else echo b; fi", "c\n");
  expect("if false; then echo a; fi; echo $?", "0\n");
  expect("true && echo y || echo n; false && echo y || echo n", "y\nn\n");
  expect("! true; echo $?; ! false; echo $?", "1\n0\n");
  expect("case abc in x) echo 1;; a*|b) echo 2;; *) echo 3;; esac", "2\n");
  expect("case $1 in (one) echo it;; esac", "it\n");
  expect("for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done", "1\n3\n");
  expect("until [ \"$n\" = xx ]; do n=x$n; done; echo $n", "xx\n");
  expect("f() { echo \"f:$1\"; return 3; }; f a; echo $? $1", "f:a\n3 one\n");
  expect("f() { [ $1 = 0 ] && return; echo $1; f $(($1 - 1)); }; f 3", "3\n2\n1\n");
  expect("(cd /etc; X=1; pwd); pwd; echo \"<$X>\"", "/etc\n/\n<>\n");
  expect("{ echo a; echo b; } | wc -l", "2\n");
  expect("exit 7", "", 7);
  expect("(exit 4); echo $?", "4\n");
  expect("set -e; false; echo no", "", 1);
  expect("set -e; if false; then :; fi; false || true; ! true; echo yes", "yes\n");
  expect("set -e; f() { false; echo in; }; f || echo out", "in\n");
  expect("eval 'X=5; echo $X'; echo $X", "5\n5\n");
}

BOOST_AUTO_TEST_CASE(substitutions_and_pipes) {
  expect("echo $(echo a; echo b)", "a b\n");
  expect("echo \"$(echo a; echo b)\"", "a\nb\n");
  expect("X=$(false); echo $?", "1\n");
  expect("echo `echo x`$(echo $(echo y))", "xy\n");
  expect("f() { echo $1; }; echo $(f a) $(f $(f b))", "a b\n");
  expect("printf 'c\\na\\nb\\n' | sort | head -n 2 | tr a-z A-Z", "A\nB\n");
  expect("echo x | { read v; echo \"got $v\"; }", "got x\n");
  expect("true | false; echo $?", "1\n");
  expect("echo one | (exit 3); echo $?", "3\n");
  expect("printf '1 a\\n2 b\\n' | while read n l; do echo $l$n; done", "a1\nb2\n");
}

BOOST_AUTO_TEST_CASE(redirections) {
  expect("echo a > /tmp/f; echo b >> /tmp/f; cat < /tmp/f; cat /tmp/f | wc -l", "a\nb\n2\n");
  expect("ls /nonexistent 2> /tmp/e; grep -q 'No such' /tmp/e && echo found", "found\n");
  expect("ls /nonexistent > /tmp/e 2>&1; wc -l < /tmp/e", "1\n");
  expect("cat <<EOF\nX=$1\n\\$Y $(echo z)\nEOF", "X=one\n$Y z\n");
  expect("cat <<'EOF'\n$1\nEOF\necho after", "$1\nafter\n");
  expect("cat <<-A; cat <<B\n\tone\n\tA\ntwo\nB", "one\ntwo\n");
  expect("for i in 1 2; do echo $i; done > /tmp/g; cat /tmp/g", "1\n2\n");
  expect("while read l; do echo \"<$l>\"; done < /etc/hosts", "<127.0.0.1 localhost>\n");
  expect("echo err >&2; echo out", "out\n");
  BOOST_TEST(run("echo err >&2").err == "err\n");
  expect("echo x > /nonexistent/f; echo $?", "1\n");
}

BOOST_AUTO_TEST_CASE(globs_and_files) {
  expect("cd /tmp; touch a1 a2 b1; echo a? *1; echo 'a?' z*", "a1 a2 a1 b1\na? z*\n");
  expect("mkdir -p /tmp/d/e; echo /tmp/d/*; rm -rf /tmp/d; [ -e /tmp/d ] || echo gone", "/tmp/d/e\ngone\n");
  expect("echo 'a=1' > /tmp/c; sed -i -e 's/=.*/=2/' /tmp/c; cat /tmp/c; sed -e '/a/d' /tmp/c", "a=2\n");
  expect("printf '%s-%03d\\n' x 7 y 8", "x-007\ny-008\n");
  expect("echo a:b:c | cut -d: -f2,3", "b:c\n");
  expect("dd if=/dev/zero of=/tmp/z bs=1K count=3 2>/dev/null; stat -c %s /tmp/z", "3072\n");
  expect("echo text > /tmp/p; cp /tmp/p /tmp/q; mv /tmp/q /tmp/r; cat /tmp/r; chmod 600 /tmp/r; stat -c %a /tmp/r", "text\n600\n");
  expect("dd if=/dev/zero of=/tmp/d bs=100 count=1 oflag=direct 2>/dev/null; echo $?", "1\n");
  expect("dd if=/dev/zero of=/tmp/d bs=4K count=500 oflag=direct 2>/dev/null; dd if=/tmp/d of=/tmp/e "
         "count=2 2>/dev/null; stat -c %s /tmp/d /tmp/e", "2048000\n1024\n");
  expect("cp /tmp/d /tmp/f && sync /tmp/f && sync; cmp=$(sha256sum /tmp/d /tmp/f | cut -d' ' -f1 | "
         "uniq | wc -l); echo $cmp; sync /nowhere 2>/dev/null; echo $?", "1\n1\n");
  expect("vzload files --count 1021 >/dev/null && vzload files --count 1022 2>&1; echo $?",
         "vzload: refused after 1021 files: Too many open files\n1\n");
  expect("grep -c root /etc/passwd; grep -v root /etc/passwd | wc -l; grep -qx nothing /etc/passwd; echo $?", "1\n1\n1\n");
}

BOOST_AUTO_TEST_CASE(time_passes_and_jobs_run_beside) {
  const Instant before = world.now();
  expect("sleep 2; echo x", "x\n");
  BOOST_TEST((world.now() - before >= seconds(2)));
  expect("sleep 5 & sleep 3; echo fg; wait; echo done", "fg\ndone\n");
  expect("(sleep 1; echo bg > /tmp/bg) & wait; cat /tmp/bg", "bg\n");
  expect("(exit 5) & wait $!; echo $?", "5\n");
  BOOST_TEST((world.now() - before < seconds(12)));
}

BOOST_AUTO_TEST_CASE(a_busy_loop_costs_cpu_and_is_killed_by_the_timeout) {
  ExecSpec spec;
  spec.argv = {"sh", "-c", "while :; do :; done"};
  spec.timeout = seconds(3);
  const Instant before = world.now();
  const auto outcome = world.kernel("n1").processes().run_in_root(kRoot, spec);
  BOOST_REQUIRE(!outcome.has_value());
  BOOST_TEST((outcome.error().code == ErrorCode::timed_out));
  BOOST_TEST((world.now() - before < seconds(4)));
  BOOST_TEST(world.check().has_value());
}

BOOST_AUTO_TEST_CASE(codes_of_programs_that_do_not_start) {
  expect("nosuchprogram; echo $?", "127\n");
  expect("echo x > /tmp/t; /tmp/t; echo $?", "126\n");
  expect("printf '#!/bin/sh\\necho \"$0 $1\"; exit 4\\n' > /tmp/s; chmod +x /tmp/s; /tmp/s arg; echo $?",
         "/tmp/s arg\n4\n");
  expect("if true; then", "", 2);
  expect("command -v cat; command -v nosuch || echo none", "/bin/cat\nnone\n");
}

BOOST_AUTO_TEST_CASE(garbage_is_refused_and_never_hangs) {
  std::mt19937 random(42);
  const std::string pieces[] = {"if ",   "then ", "fi ", "(",    ")",     "{ ", "}",   "$(",  "\"", "'",
                                "${X",   "}",     "|",   "&&",   ";",     "\n", "for i in ", "do ", "done ",
                                "while ", "case x in ", "x) ", ";; ", "esac ", "echo a ", "$((", "))", "<<E\n",
                                "> /tmp/x", "&",  "!",   "f() ", "`",     "\\", "*",   "E\n", "break ",
                                "return 1 ", "exit ", "eval ", ". ", "#", "$@ ", "${X:-", "${X##*", "shift "};
  for (int round = 0; round < 3000; ++round) {
    std::string script;
    for (std::size_t i = 0, n = random() % 25; i < n; ++i) script += pieces[random() % std::size(pieces)];
    if (compile_shell(script).index() != 0 || round % 4 != 0) continue;
    ExecSpec spec;
    spec.argv = {"sh", "-c", script};
    spec.timeout = seconds(20);
    const auto outcome = world.kernel("n1").processes().run_in_root(kRoot, spec);
    if (!outcome) BOOST_TEST((outcome.error().code == ErrorCode::timed_out), script);
  }
  BOOST_TEST(world.check().has_value());
  BOOST_TEST(compile_shell(std::string(100'000, '(')).index() == 1U);
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "$(";
  BOOST_TEST(compile_shell(deep).index() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(patterns)

BOOST_AUTO_TEST_CASE(globs) {
  BOOST_TEST(glob_match("*.conf", "a.conf"));
  BOOST_TEST(!glob_match("*.conf", "a.cfg"));
  BOOST_TEST(glob_match("[a-c]?", "bz"));
  BOOST_TEST(!glob_match("[!a-c]?", "bz"));
  BOOST_TEST(glob_match("\\*", "*"));
  BOOST_TEST(!glob_match("\\*", "x"));
  BOOST_TEST(glob_match("a*b*c*d", "aXbXXcd"));
  BOOST_TEST(!glob_match(std::string(50, '*') + "x", std::string(10'000, 'a')));
}

BOOST_AUTO_TEST_CASE(expressions) {
  const auto matches = [](const char* pattern, const char* text, bool extended = false) {
    const auto regex = Regex::parse(pattern, extended);
    return regex && regex->find(text).has_value();
  };
  BOOST_TEST(matches("^ab*c$", "abbc"));
  BOOST_TEST(!matches("^ab*c$", "abbcd"));
  BOOST_TEST(matches("[0-9]\\+", "x12"));
  BOOST_TEST(matches("(a|b", "(a|b"));
  BOOST_TEST(matches("^a|b$", "xb", true));
  const auto groups = Regex::parse("\\(.*\\)=\\(.*\\)", false)->find("k=v");
  BOOST_REQUIRE(groups.has_value());
  BOOST_TEST(groups->groups[1] == "k");
  BOOST_TEST(groups->groups[2] == "v");
  const auto slow = Regex::parse("a*a*a*a*a*a*a*a*b", false);
  BOOST_TEST(!slow->find(std::string(2000, 'a')).has_value());  // gives up in bounded time
}

BOOST_AUTO_TEST_CASE(numbers) {
  std::string error;
  const auto variable = [](const std::string& name) { return name == "x" ? std::string("5") : ""; };
  BOOST_TEST(evaluate_arithmetic("x * (2 + 1) - -1", variable, error).value() == 16);
  BOOST_TEST(!evaluate_arithmetic("1 / 0", variable, error).has_value());
  BOOST_TEST(!evaluate_arithmetic(std::string(1000, '('), variable, error).has_value());
  BOOST_TEST(evaluate_arithmetic("", variable, error).value() == 0);
  BOOST_TEST(parse_amount("4K").value() == 4096U);
  BOOST_TEST(!parse_amount("4X").has_value());
  BOOST_TEST((parse_seconds("1.5").value() == milliseconds(1500)));
  BOOST_TEST(!parse_seconds("x").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::sim
