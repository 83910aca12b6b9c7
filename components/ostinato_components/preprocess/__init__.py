from typing import TYPE_CHECKING

from ostinato_components.lazily import exports

if TYPE_CHECKING:
    from ostinato_components.preprocess.fan_out import (
        analyze_part,
        collect_shares,
        encode_share,
        merge_parts,
        plan_parts,
    )
    from ostinato_components.preprocess.preprocessing import run

__all__ = ["analyze_part", "collect_shares", "encode_share", "merge_parts", "plan_parts", "run"]
__getattr__ = exports(
    __name__,
    run="preprocessing",
    plan_parts="fan_out",
    analyze_part="fan_out",
    merge_parts="fan_out",
    encode_share="fan_out",
    collect_shares="fan_out",
)
