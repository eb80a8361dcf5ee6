/*
 * pause: a word to the processor that its thread waits for another one's store.
 *
 * Layer:   base.
 */
#ifndef MCQ_BASE_PAUSE_H
#define MCQ_BASE_PAUSE_H

static inline void mcq_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
