"""The decision on a peer's version: one answer to each octet, each leads to a form, and what we send is that form."""

from gen.detect import family, paths, taken
from gen.lint.names import about, settled
from gen.model import place


def check(protocol, problems):
    for detect in settled(protocol.detects.values(), problems):
        rule = about(detect.id, detect)
        layouts = family(protocol, detect)
        order(detect, rule, problems)
        for index, stage in enumerate(detect.stages):
            branches(stage, detect.stages[index + 1:], rule, problems)
        used = {branch.target for stage in detect.stages for branch in stage.branches}
        for form in (*layouts, *detect.replay):
            if form not in used:
                problems.add(detect.where, "unused", f"no octet tells that a peer's form is {detect.id}.{form}; give "
                             "it a branch, or take the form out", rule)
        if not problems:
            whole(detect, layouts, rule, problems)


def order(detect, rule, problems):
    for before, after in zip(detect.stages, detect.stages[1:]):
        if after.octet <= before.octet:
            problems.add(after.where, "ambiguous", f"octet {after.octet} does not come after "
                         f"{'the start' if before.octet < 0 else f'octet {before.octet}'}; order the lines", rule)


def branches(stage, later, rule, problems):
    """Each octet has one answer, each answer an octet; 'next' has somewhere to go, and nothing else goes there."""
    for index, (branch, octets) in enumerate(zip(stage.branches, taken(stage.branches))):
        own = {octet for octet in range(256) if octet & branch.mask == branch.value}
        if not own:
            problems.add(branch.where, "empty-range", f"no octet masked by {branch.mask:#04x} is {branch.value:#04x}; "
                         "ask only for bits of the mask", rule)
        elif not octets:
            problems.add(branch.where, "unreachable", "the branches before this one answer all its octets; put it "
                         "first, or take it out", rule)
        elif branch.mask and octets != own:
            problems.add(branch.where, "nondeterminism", f"octet {min(own - octets):#04x} has two answers; make the "
                         "branches differ", rule)
        ends = branch.target != "next"
        for word, said in (("frames", branch.frames), ("speaks", branch.speaks)):
            if bool(said) != ends:
                problems.add(branch.where, "unknown-word", f"'{word}' says what comes behind a form, so it stands with "
                             f"a form alone; {'add it' if ends else 'take it out'}", rule)
    answered = set().union(*taken(stage.branches)) if stage.branches else set(range(256))
    if len(answered) < 256:
        problems.add(stage.where, "unanswered", f"octet {min(set(range(256)) - answered):#04x} has no answer; add a "
                     "branch 'else'", rule)
    onward = [branch for branch in stage.branches if branch.target == "next"]
    if onward and not later:
        problems.add(place(onward[0], "target"), "trap", "no octet comes after this one, so 'next' leads nowhere; name "
                     "a form", rule)
    if stage.branches and later and not onward:
        problems.add(later[0].where, "unreachable", f"no branch of octet {stage.octet} says 'next'; let one do so, or "
                     "take this line out", rule)


def whole(detect, layouts, rule, problems):
    """On every way to a form its fields leave once, all of them and in their order: a name of another form will do
    where the two fields are alike, for what leaves early is the same octet in each."""
    every = {item.name: item for layout in layouts.values() for item in layout.fields}
    for taken_branches, sent in paths(detect):
        octet, last = taken_branches[-1]
        layout = layouts.get(last.target)
        wanted = layout.fields if layout else [None] * len([1 for name, part in sent if part is not last])
        own = {item.name: item for item in layout.fields} if layout else {}
        for index, (name, part) in enumerate(sent):
            where = place(part, f"send {name}")
            if name in [earlier for earlier, _ in sent[:index]]:
                problems.add(where, "duplicate", f"'{name}' is sent twice; take one out", rule)
                return
            if index >= len(wanted) or layout and not alike(wanted[index], own.get(name, every[name])):
                has = f"has '{wanted[index].name}'" if index < len(wanted) else "has nothing"
                problems.add(where, "ambiguous", f"'{name}' is sent where {detect.id}.{last.target} {has}; keep its "
                             "order", rule)
                return
        if len(sent) < len(wanted):
            problems.add(last.where, "unused", f"'{wanted[len(sent)].name}' of {layout.id} is never sent; add it to a "
                         "line", rule)
            return
        if layout and isinstance(layout.form, int) and octet >= layout.form:
            problems.add(last.where, "size", f"octet {octet} is behind the end of {layout.id}; decide earlier", rule)


def alike(one, other):
    """What we send of the two is the same octets."""
    return (one.type, one.size, one.value, one.send) == (other.type, other.size, other.value, other.send)
