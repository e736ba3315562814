"""Owns the words of `why` and `locks`."""

from typing import Final

from kubectl_obtask.wording.language import Text

IN_LINE: Final = Text(
    "{name} waits for its lock ({lock}): {place} in line since {clock} ({span}).",
    "{name} 正在等待锁（{lock}）：排在第 {number} 位，自 {clock} 起（{span}）。",
)
NOT_SEEN: Final = Text(
    "{name} has been Pending since {clock} ({span}): no operator has looked at it. "
    "Is one running, and does it watch namespace {namespace}?",
    "{name} 自 {clock} 起（{span}）待处理：还没有 operator 处理它。operator 在运行吗？是否监视命名空间 {namespace}？",
)
NOTHING_IN_WAY: Final = Text("Nothing is in the way of {name}: it should start any moment.", "没有任务阻塞 {name}：应当马上开始。")
HOLDER: Final = Text(
    "  {number}. {name}   {lock}   has been {phase} since {clock} ({span}){what}",
    "  {number}. {name}   {lock}   自 {clock} 起{phase}（{span}）{what}",
)
EARLIER: Final = Text("  {number}. {name}   {lock}   waits, too, and comes first", "  {number}. {name}   {lock}   也在等待，排在前面")
PASSED: Final = Text(
    "  {number}. {name}   {lock}   waits, too, but for a failed task: it does not keep its place",
    "  {number}. {name}   {lock}   也在等待，但它等的是失败的任务：不占位置",
)
ONLY_SHOWN: Final = Text("  … and {count} more", "  …… 还有 {count} 个")
TYPE_THIS: Final = Text("       {line}   ({what})", "       {line}   （{what}）")
WHEN_ENDED: Final = Text("When {name} ends: {next}", "{name} 结束后：{next}")
STARTS: Final = Text("{names} starts.", "{names} 开始执行。")
START_TOGETHER: Final = Text("{names} start together.", "{names} 同时开始执行。")
NOBODY_STARTS: Final = Text("nobody starts by that alone.", "仅此不会有任务开始。")
STANDS: Final = Text("{name} has been {phase} since {clock} ({span}).", "{name} 自 {clock} 起{phase}（{span}）。")
AT_STEP: Final = Text('step {number}/{count} "{step}"', "环节 {number}/{count} “{step}”")
WAITING_BEHIND: Final = Text("Behind it, together for {span}: {names}", "排在它后面，合计已等 {span}：{names}")
ONE_BEHIND: Final = Text("Behind it for {span}: {names}", "排在它后面，已等 {span}：{names}")
CAN_DO: Final = Text("What can be done:", "可以执行：")
RETRY_AT: Final = Text("The next attempt begins at {clock}.", "下一次执行将在 {clock} 开始。")
FREE: Final = Text("free", "空闲")
NO_LOCKS: Final = Text("nothing is locked, and nobody waits", "没有锁，也没有等待的任务")
LOCK: Final = Text("{scope}, {domain}", "{domain}，{scope}")
CLUSTER: Final = Text("cluster {target}", "集群 {target}")
HOST: Final = Text("host {target}", "主机 {target}")
WAITERS: Final = Text("   <- {names}", "   ← {names}")
WAITER: Final = Text("{number} {name} {span}", "{number} {name} {span}")
TOKEN: Final = Text("token {token}", "令牌 {token}")
HOLDS: Final = Text("{name} {phase} {span} ({token})", "{name} {phase} {span}（{token}）")
NEXT: Final = Text("If {name} ends: {next}", "若 {name} 结束：{next}")
ORDINALS: Final = ("th", "st", "nd", "rd")
TEENS: Final = (11, 12, 13)


def ordinal(number: int) -> str:
    """Return an English ordinal: 1st, 2nd, 3rd, 4th."""
    last = number % 10
    ending = ORDINALS[last] if last < len(ORDINALS) and number % 100 not in TEENS else ORDINALS[0]
    return f"{number}{ending}"
