from lib.induction.heads import induction_score, repeat_attention

__all__ = ["induction_score", "repeat_attention"]
