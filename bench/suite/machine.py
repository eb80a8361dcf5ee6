"""What it was measured on, and who else was busy there."""

import os
import pathlib
import platform
import re
import subprocess
import time

BUSY_WARNING = 0.10     # of all cores' time, used by others
STEAL_WARNING = 0.02    # taken away by the host
TICKS = os.sysconf("SC_CLK_TCK")


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0]


def describe():
    found = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))
    return {
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "") if os.path.exists("/etc/os-release") else "",
        "kernel": platform.release(),
        "cpu": found.group(1) if found else platform.machine(),
        "cores": os.cpu_count(),
        "memory_mib": int(memory.group(1)) // 1024 if memory else None,
        "hypervisor": "hypervisor" in read("/proc/cpuinfo"),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip(),
        "congestion_control": read("/proc/sys/net/ipv4/tcp_congestion_control").strip(),
        "compiler": first_line("cc", "--version"),
        "commit": first_line("git", "describe", "--always", "--dirty"),
    }


def build_of(folder):
    """How the drivers in a folder were built: the cache of the build tree around it."""
    for parent in (folder, *pathlib.Path(folder).parents):
        cache = read(os.path.join(parent, "CMakeCache.txt"))
        if cache:
            entries = dict(re.findall(r"^(CMAKE_BUILD_TYPE|CMAKE_C_FLAGS\w*|MONOCOQUE_LTO):\w+=(.*)$", cache,
                                      re.MULTILINE))
            kind = entries.get("CMAKE_BUILD_TYPE", "")
            flags = f"{entries.get('CMAKE_C_FLAGS', '')} {entries.get('CMAKE_C_FLAGS_' + kind.upper(), '')}".strip()
            return {"build": kind, "flags": flags, "lto": entries.get("MONOCOQUE_LTO", "")}
    return {}


class Load:
    """Processor time of the whole machine between two looks, apart from what our own processes used."""

    def __init__(self):
        self.at = self.look()

    @staticmethod
    def look():
        fields = [int(word) for word in read("/proc/stat").split("\n", 1)[0].split()[1:9]]
        idle, steal = fields[3] + fields[4], fields[7]
        own = os.times()
        return sum(fields), idle, steal, own.user + own.system + own.children_user + own.children_system

    def since(self):
        """-> parts of all cores' time: of others, and stolen; and begins anew."""
        before, self.at = self.at, self.look()
        total, idle, steal, own = (b - a for a, b in zip(before, self.at))
        if total <= 0:
            return {"others": 0.0, "steal": 0.0}
        others = max(0.0, total - idle - steal - own * TICKS) / total
        return {"others": round(others, 4), "steal": round(steal / total, 4)}


def load_now(seconds=0.5):
    load = Load()
    time.sleep(seconds)
    return {**load.since(), "loadavg": list(os.getloadavg())}


def warnings(load, where):
    """Sentences about a load: why the figures are less sure than they look."""
    if load["others"] > BUSY_WARNING:
        yield (f"{where}, other processes used {load['others']:.0%} of the processors (load average "
               f"{os.getloadavg()[0]:.1f}): read ratios only, and measure again when the machine is idle")
    if load["steal"] > STEAL_WARNING:
        yield f"{where}, the host took {load['steal']:.0%} of the processors' time away"
