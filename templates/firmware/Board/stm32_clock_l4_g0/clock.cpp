// Clock of the L4 and G0: from the internal oscillator that the core wakes up with through the PLL
// (RM0351 sections 3.3.3 and 6.2; RM0444 sections 3.3.4 and 5.2).
#include "clock.hpp"

#include "clock_steps.hpp"
#include "family.hpp"

namespace board {
namespace {

using namespace stm32;

static_assert(config::kSourceHz == kWakeUpHz, "another oscillator needs code to start it");

constexpr uint32_t kDividerFields = (ahb_field(config::kAhbDivider) << Rcc::kAhbShift) |
                                    (apb_field(config::kApb1Divider) << Rcc::kApb1Shift) |
                                    (apb_field(config::kApb2Divider) << Rcc::kApb2Shift);
constexpr uint32_t kDividerMask =
    (0xFU << Rcc::kAhbShift) | (7U << Rcc::kApb1Shift) | (7U << Rcc::kApb2Shift);
static_assert(Rcc::kApb1Shift != Rcc::kApb2Shift || kApb1Hz == kApb2Hz);

constexpr uint32_t kPllFields = Rcc::kPllSource | ((config::kPllM - 1) << 4) |
                                (config::kPllN << 8) | Rcc::kPllEnableR |
                                Rcc::divider_field(config::kPllDivider);

bool set_wait_states(uint32_t wait_states) {
    flash().acr = wait_states | Flash::kPrefetch | Flash::kCaches;
    return wait_until(flash().acr, Flash::kLatencyMask, wait_states);
}

bool switch_to(uint32_t source) {
    replace_bits(rcc().cfgr, Rcc::kSwitchMask, source);
    return wait_until(rcc().cfgr, Rcc::kSwitchMask << Rcc::kSwitchStatusShift,
                      source << Rcc::kSwitchStatusShift);
}

ClockStatus run_from_pll() {
    set_bits(rcc().cr, Rcc::kSourceOn);
    if (!wait_until(rcc().cr, Rcc::kSourceReady, Rcc::kSourceReady)) {
        return ClockStatus::kSourceDidNotStart;
    }
    rcc().pllcfgr = kPllFields;
    set_bits(rcc().cr, Rcc::kPllOn);
    if (!wait_until(rcc().cr, Rcc::kPllReady, Rcc::kPllReady)) {
        return ClockStatus::kPllDidNotLock;
    }
    if (!set_wait_states(config::kFlashWaitStates)) {
        return ClockStatus::kFlashWaitStatesRefused;
    }
    replace_bits(rcc().cfgr, kDividerMask, kDividerFields);
    return switch_to(Rcc::kSwitchPll) ? ClockStatus::kOk : ClockStatus::kSwitchFailed;
}

}  // namespace

ClockTree start_clock() {
    const ClockStatus status = run_from_pll();
    if (status == ClockStatus::kOk) {
        return {status, kAhbHz, kApb1Hz, kApb2Hz};
    }
    switch_to(Rcc::kSwitchSource);
    replace_bits(rcc().cfgr, kDividerMask, 0);
    clear_bits(rcc().cr, Rcc::kPllOn);
    return {status, kWakeUpHz, kWakeUpHz, kWakeUpHz};
}

}  // namespace board
