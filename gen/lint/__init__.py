"""The checks, one file a family. Errors stop the build; there are no warnings."""


def check(protocol, problems):
    """All families; the later ones run only on names that resolve."""
    from gen.lint import bounds, detect, keys, layout, machine, names, needs, options, tables
    names.check(protocol, problems)
    tables.check(protocol, problems)
    options.check(protocol, problems)
    bounds.check(protocol, problems)
    layout.check(protocol, problems)
    keys.check(protocol, problems)
    detect.check(protocol, problems)
    machine.check(protocol, problems)
    if not problems:
        needs.check(protocol, problems)
